package koppeltaal

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"
)

const opExchange = "exchange code"

// A Session is what the code of a launch was exchanged for. It has no access token: Koppeltaal's is the placeholder NOOP, and
// FHIR requests always carry that of the [smartauth.Source].
type Session struct {
	Subject    string // who launches, as in Launch; empty if only the id_token says so
	Patient    string // whom it is about: Patient/…, empty if the portal does not say
	Resource   string // such as Task/…
	Definition string // canonical URL of the ActivityDefinition
	Intent     string
	Scope      string
	ExpiresIn  time.Duration
	TraceID    string // the X-Trace-Id of all that follows (TOP-KT-012c)

	idToken func() string // package fmt cannot look into a func
}

// IDToken returns the id_token: a JWT about the user, to be verified by an OpenID Connect library, and never logged.
func (s *Session) IDToken() string {
	if s.idToken == nil {
		return ""
	}
	return s.idToken()
}

// Trace returns a context for what follows from the launch.
func (s *Session) Trace(ctx context.Context) context.Context { return inTrace(ctx, s.TraceID) }

// String returns a text without the user and the id_token.
func (s Session) String() string { return "koppeltaal.Session(redacted)" }

// Format prints String, whatever the verb.
func (s Session) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalJSON returns String as a JSON string, which cannot be read back.
func (s Session) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// ErrState is what [Client.ExchangeCode] returns if state is not that of the Authorization: the code may be somebody else's.
var ErrState = errors.New("koppeltaal: exchange code: the state is not the one of this authorization")

// ExchangeCode exchanges the code that the browser has brought back with state, once, by the same client assertion as for access
// tokens. Errors are [*Error], [ErrState], or those of the Source, which gets a token first if it has none. After an error that has
// MaybeSent the code is used up.
func (c *Client) ExchangeCode(ctx context.Context, a *Authorization, code, state string) (*Session, error) {
	p := a.pending()
	if p.State == "" || subtle.ConstantTimeCompare([]byte(p.State), []byte(state)) != 1 {
		return nil, ErrState
	}
	if code == "" {
		return nil, errors.New("koppeltaal: exchange code: the code is empty")
	}
	ctx = c.traced(inTrace(ctx, p.TraceID))
	endpoint, audience, err := c.Source.TokenEndpoint(ctx)
	if err != nil {
		return nil, err
	}
	answer, err := c.post(ctx, opExchange, endpoint, audience, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {p.RedirectURI},
		"code_verifier": {p.Verifier},
	})
	if err != nil {
		return nil, err
	}
	seconds, _ := answer.seconds("expires_in")
	idToken := answer.text("id_token")
	s := &Session{Subject: answer.text("sub"), Patient: answer.text("patient"), Resource: answer.text("resource"),
		Definition: answer.text("definition"), Intent: answer.text("intent"), Scope: answer.text("scope"),
		ExpiresIn: time.Duration(min(seconds, 1e9)) * time.Second, TraceID: p.TraceID, idToken: func() string { return idToken }}
	if s.Subject == "" && idToken == "" {
		return nil, unusable(opExchange, endpoint, "the response does not say who has launched")
	}
	if why := answer.badReference(s.Subject == ""); why != "" {
		return nil, unusable(opExchange, endpoint, why)
	}
	return s, nil
}
