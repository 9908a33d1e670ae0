package koppeltaal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"time"
)

const opIntrospect = "introspect"

// An Introspection is what the authorization server says of a token.
type Introspection struct {
	// Active means that the server takes the token for good, and nothing else: the reference server also says so of a client
	// assertion. See [Client.Launch].
	Active bool

	claims func() answer // package fmt cannot look into a func
}

func newIntrospection(active bool, claims answer) *Introspection {
	return &Introspection{Active: active, claims: func() answer { return claims }}
}

// Decode unmarshals the whole answer into v. Its claims are not checked, and may name persons.
func (i *Introspection) Decode(v any) error {
	object, err := json.Marshal(i.claims())
	if err != nil {
		return err
	}
	return json.Unmarshal(object, v)
}

// String returns a text without the claims.
func (i Introspection) String() string {
	return fmt.Sprintf("koppeltaal.Introspection(active: %t)", i.Active)
}

// Format prints String, whatever the verb.
func (i Introspection) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, i.String()) }

// Introspect asks the authorization server about a token, once (TOP-KT-021). For an HTI token that has effects: it is used up, an
// AuditEvent of a login is written, and the time that the patient's data are kept for begins anew. So do not introspect to
// check, and do not call it again after an error that has MaybeSent. Errors are [*Error], or those of the Source, which gets a
// token first if it has none.
//
// The reference server calls all access tokens inactive, its own too, and answers 500 to what is no JWT.
func (c *Client) Introspect(ctx context.Context, token string) (*Introspection, error) {
	if token == "" {
		return nil, errors.New("koppeltaal: introspect: the token is empty")
	}
	ctx = c.traced(ctx)
	endpoint, audience, err := c.introspectionEndpoint(ctx)
	if err != nil {
		return nil, err
	}
	a, err := c.post(ctx, opIntrospect, endpoint, audience, url.Values{"token": {token}})
	if err != nil {
		return nil, err
	}
	switch string(a["active"]) {
	case "true":
		return newIntrospection(true, a), nil
	case "false":
		return newIntrospection(false, a), nil
	}
	return nil, unusable(opIntrospect, endpoint, "the response does not say whether the token is active")
}

// expiry returns exp.
func (a answer) expiry() (time.Time, bool) {
	seconds, ok := a.seconds("exp")
	return time.Unix(int64(seconds), 0), ok
}

// isFor tells whether aud is that one audience, as a string or as a list of one.
func (a answer) isFor(audience string) bool {
	list := []string{a.text("aud")}
	if list[0] == "" && json.Unmarshal(a["aud"], &list) != nil {
		return false
	}
	return slices.Equal(list, []string{audience})
}
