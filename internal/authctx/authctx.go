// Package authctx carries what core and the transports have to tell each other about one request in its context.
package authctx

import "context"

// Values is what the context of a request says about its authentication. The zero value says nothing.
type Values struct {
	// TokenRequest marks core's own requests for discovery and tokens; a transport lets them through untouched, or a
	// token client that carries the transport would wait for itself.
	TokenRequest bool

	// Acquirer is the source whose acquisition the context belongs to, nil outside of one.
	Acquirer any

	// Discoverer is what runs the discovery that the context belongs to, nil outside of one.
	Discoverer any

	// NoBearer asks the transport to send the request without a bearer.
	NoBearer bool

	// Refused is the *smartauth.Token that a FHIR server has just refused to this caller, nil if none.
	Refused any
}

type key struct{}

// With returns ctx carrying v in place of what it carried before.
func With(ctx context.Context, v Values) context.Context {
	return context.WithValue(ctx, key{}, &v)
}

// From returns what ctx carries.
func From(ctx context.Context) Values {
	if v, ok := ctx.Value(key{}).(*Values); ok {
		return *v
	}
	return Values{}
}
