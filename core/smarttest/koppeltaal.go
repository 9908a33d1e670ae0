package smarttest

import (
	"context"
	"errors"
	"net/http"
	"strings"
)

// What the Koppeltaal reference server accepts; it advertises neither.
var (
	koppeltaalJWKSAlgorithms = []string{"RS384", "ES384", "RS512"}
	koppeltaalPEMAlgorithms  = []string{"RS512"}
)

// Its two tries to read a JWKS: some firewalls refuse the first.
var koppeltaalUserAgents = []string{"python-requests/2.32", "Mozilla/5.0"}

// koppeltaalWorkers is how many assertions the reference server judges at once. Each waits for the client's JWKS, so four that
// come slowly hold up every other client.
const koppeltaalWorkers = 4

// serveKoppeltaalToken answers in the order of the Koppeltaal reference server: the client first, the grant after that.
func (a *authServer) serveKoppeltaalToken(w http.ResponseWriter, r *http.Request) {
	p, _ := formParameters(r, true)
	c, err := a.authenticateParameters(r.Context(), p, []string{a.audience})
	if err != nil {
		accessDenied(w)
		return
	}
	switch p.Get("grant_type") {
	case "client_credentials":
		a.issue(w, c.id, "Bearer", strings.Join(c.scopes, " "))
	case "authorization_code":
		if !p.Has("code") {
			internalError(w)
			return
		}
		accessDenied(w) // there is no login here to have a code from
	default:
		badRequest(w)
	}
}

// authenticateParameters authenticates the client by the parameters of a request to either endpoint.
func (a *authServer) authenticateParameters(ctx context.Context, p parameters, audiences []string) (c client, err error) {
	defer func() { a.record.judged(ctx, err) }()
	if p.Get("client_assertion_type") != assertionType {
		return client{}, errors.New("client_assertion_type is missing or not " + assertionType)
	}
	if p.Get("client_assertion") == "" {
		return client{}, errors.New("client_assertion is missing")
	}
	return a.authenticate(ctx, p.Get("client_assertion"), audiences)
}

// authenticateKoppeltaal uses up the jti before it looks at anything else, and does not demand sub or exp.
func (a *authServer) authenticateKoppeltaal(ctx context.Context, raw string, audiences []string) (client, error) {
	select {
	case a.workers <- struct{}{}:
		defer func() { <-a.workers }()
	case <-ctx.Done():
		return client{}, ctx.Err()
	}
	u, err := decodeJWT(raw)
	if err != nil {
		return client{}, err
	}
	jti, err := text(u.claims, "jti")
	if err != nil {
		return client{}, err
	}
	if err := a.jtis.burn(jti); err != nil {
		return client{}, err
	}
	c, err := a.client(u)
	if err != nil {
		return client{}, err
	}
	key, err := a.clientKey(ctx, c, u, koppeltaalUserAgents...)
	if err != nil {
		return client{}, err
	}
	algorithms := koppeltaalJWKSAlgorithms
	if c.pem != nil {
		algorithms = koppeltaalPEMAlgorithms
	}
	if err := u.verify(key, algorithms); err != nil {
		return client{}, err
	}
	if sub, present := u.claims["sub"]; present {
		if _, ok := sub.(string); !ok {
			return client{}, errors.New("sub is no string")
		}
	}
	if err := checkTimes(u.claims, a.clock.now(), true); err != nil {
		return client{}, err
	}
	return c, checkAudience(u.claims, audiences)
}

// accessDenied is the one answer to every client that could not be authenticated.
func accessDenied(w http.ResponseWriter) {
	writeText(w, http.StatusUnauthorized, textHTML, "Access Denied")
}

func badRequest(w http.ResponseWriter) {
	writeText(w, http.StatusBadRequest, textHTML, "Bad Request")
}

func internalError(w http.ResponseWriter) {
	writeHTML(w, http.StatusInternalServerError, "The server encountered an internal error and was unable to complete your request.")
}
