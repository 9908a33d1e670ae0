package koppeltaal

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/http"
	"net/url"

	"github.com/smartauth-go/smartauth/internal/origin"
)

// An Authorization is the request that the browser of whoever launches has to bring to the authorization server (SMART on HTI,
// TOP-KT-007), and what [Client.ExchangeCode] needs of it later. Keep it in the user's session, out of reach of the browser:
// MarshalBinary, which encoding/gob uses too, stores what the exchange needs. No other way to print or encode it shows that.
type Authorization struct {
	// Endpoint is where to post Fields as a form: see WriteForm. Koppeltaal's servers have the capability authorize-post, and the
	// HTI token among the fields would not be safe in a URL.
	Endpoint string

	fields func() url.Values // package fmt cannot look into a func
	secret func() pending
}

// pending is what an exchange needs of its authorization.
type pending struct {
	State       string `json:"state"`
	Verifier    string `json:"verifier"` // of PKCE
	RedirectURI string `json:"redirect_uri"`
	TraceID     string `json:"trace_id"` // of the launch: the jti of the HTI token
}

func (a *Authorization) pending() (p pending) {
	if a != nil && a.secret != nil {
		p = a.secret()
	}
	return p
}

// Fields returns the fields of the form, which hold the HTI token: nil if the Authorization was stored meanwhile.
func (a *Authorization) Fields() url.Values {
	if a.fields == nil {
		return nil
	}
	return a.fields()
}

// State returns what comes back with the code: nothing that anybody else could guess.
func (a *Authorization) State() string { return a.pending().State }

// MarshalBinary returns the state, the PKCE verifier, the redirect URI and the trace id: secrets, but not the HTI token.
func (a Authorization) MarshalBinary() ([]byte, error) { return json.Marshal(a.pending()) }

// UnmarshalBinary makes a what MarshalBinary was called on, except for the form.
func (a *Authorization) UnmarshalBinary(data []byte) error {
	var p pending
	if json.Unmarshal(data, &p) != nil {
		return errors.New("koppeltaal: this is no stored Authorization")
	}
	*a = Authorization{secret: func() pending { return p }}
	return nil
}

// Authorize prepares the authorization for a launch. htiToken is the launch parameter that the portal has posted, redirectURI
// where the server shall send the browser back to.
func (c *Client) Authorize(ctx context.Context, htiToken, redirectURI string) (*Authorization, error) {
	if htiToken == "" || redirectURI == "" {
		return nil, errors.New("koppeltaal: authorize: the HTI token or the redirect URI is empty")
	}
	meta, err := c.Source.Metadata(ctx)
	if err != nil {
		return nil, err
	}
	token, _, err := c.Source.TokenEndpoint(ctx)
	if err != nil {
		return nil, err
	}
	endpoint, ok := parseEndpoint(meta.AuthorizationEndpoint)
	switch {
	case !ok:
		return nil, errors.New("koppeltaal: authorize: the server names no authorization endpoint")
	case endpoint.Scheme != "https" && (token.Scheme == "https" ||
		!origin.IsLoopback(endpoint.Hostname()) && !origin.EqualFold(endpoint.Hostname(), token.Hostname())):
		return nil, errors.New("koppeltaal: authorize: the authorization endpoint is not https")
	}
	p := pending{State: rand.Text(), Verifier: verifier(), RedirectURI: redirectURI, TraceID: traceOf(htiToken)}
	challenge := sha256.Sum256([]byte(p.Verifier))
	fields := url.Values{
		"response_type":         {"code"},
		"client_id":             {c.Source.ClientID()},
		"redirect_uri":          {redirectURI},
		"launch":                {htiToken},
		"scope":                 {"launch openid fhirUser"},
		"state":                 {p.State},
		"aud":                   {c.Source.BaseURL()},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
	}
	return &Authorization{Endpoint: endpoint.String(), fields: func() url.Values { return url.Values(http.Header(fields).Clone()) },
		secret: func() pending { return p }}, nil
}

// verifier returns 43 characters that nobody can guess (RFC 7636 section 4.1).
func verifier() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

var form = template.Must(template.New("form").Parse(`<!DOCTYPE html>
<html><head><meta charset="utf-8"><meta name="referrer" content="no-referrer"><title>Launch</title></head>
<body><form method="post" action="{{.Endpoint}}">
{{range $name, $values := .Fields}}{{range $values}}<input type="hidden" name="{{$name}}" value="{{.}}">
{{end}}{{end}}<noscript><button type="submit">Continue</button></noscript></form>
<script{{with .Nonce}} nonce="{{.}}"{{end}}>document.forms[0].submit()</script></body></html>
`))

// WriteForm writes the page that brings the browser to the authorization server. Send it with Content-Type text/html and
// Cache-Control no-store. nonce is that of the page's Content-Security-Policy, or empty.
func (a *Authorization) WriteForm(w io.Writer, nonce string) error {
	if a.fields == nil {
		return errors.New("koppeltaal: an Authorization that was stored has no form any more")
	}
	return form.Execute(w, struct {
		Endpoint string
		Fields   url.Values
		Nonce    string
	}{a.Endpoint, a.Fields(), nonce})
}

// String returns a text without the secrets.
func (a Authorization) String() string { return "koppeltaal.Authorization(redacted)" }

// Format prints String, whatever the verb.
func (a Authorization) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.String()) }

// MarshalJSON returns String as a JSON string, which cannot be read back.
func (a Authorization) MarshalJSON() ([]byte, error) { return []byte(`"` + a.String() + `"`), nil }
