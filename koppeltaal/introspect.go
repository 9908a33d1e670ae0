package koppeltaal

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"
)

// An Introspection is what the authorization server says of a token.
type Introspection struct {
	// Active means that the server takes the token for good, and nothing else: the reference server also says so of a client
	// assertion. See [Client.Launch].
	Active bool

	claims claims
}

// claims are those of a launch, as the server repeats them.
type claims struct {
	Issuer     string          `json:"iss"`
	Audience   json.RawMessage `json:"aud"`
	Subject    string          `json:"sub"`
	JTI        string          `json:"jti"`
	Expiry     json.Number     `json:"exp"`
	Resource   string          `json:"resource"`
	Definition string          `json:"definition"`
	Patient    string          `json:"patient"`
	Intent     string          `json:"intent"`
}

// Introspect asks the authorization server about a token, once (TOP-KT-021). For an HTI token that has effects: it is used up, an
// AuditEvent of a login is written, and the time that the patient's data are kept for begins anew. So do not introspect to
// check, and do not call it again after an error that has MaybeSent. Errors are [*Error], or those of the Source.
func (c *Client) Introspect(ctx context.Context, token string) (*Introspection, error) {
	if token == "" {
		return nil, errors.New("koppeltaal: introspect: the token is empty")
	}
	endpoint, audience, err := c.introspectionEndpoint(ctx)
	if err != nil {
		return nil, err
	}
	body, err := c.post(ctx, "introspect", endpoint, audience, url.Values{"token": {token}})
	if err != nil {
		return nil, err
	}
	var answer struct {
		Active bool `json:"active"`
		claims
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, &Error{Op: "introspect", Endpoint: endpoint.Redacted(), StatusCode: 200, MaybeSent: true, err: errNotJSON}
	}
	return &Introspection{Active: answer.Active, claims: answer.claims}, nil
}

func (c claims) expiry() (time.Time, bool) {
	seconds, err := c.Expiry.Float64()
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), 0), true
}

// isFor tells whether aud is that one audience, as a string or as a list of one.
func (c claims) isFor(audience string) bool {
	var one string
	if json.Unmarshal(c.Audience, &one) == nil {
		return one == audience
	}
	var list []string
	return json.Unmarshal(c.Audience, &list) == nil && len(list) == 1 && list[0] == audience
}
