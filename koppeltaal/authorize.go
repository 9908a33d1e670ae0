package koppeltaal

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"time"
)

// An Authorization is the request that the browser of whoever launches has to bring to the authorization server (SMART on HTI,
// TOP-KT-007), and what [Client.ExchangeCode] needs of it later: keep it in the user's session.
type Authorization struct {
	// Endpoint is where to post Fields as a form: see WriteForm. Koppeltaal's servers have the capability authorize-post, and the
	// HTI token among the fields would not be safe in a URL.
	Endpoint string
	Fields   url.Values

	State       string // comes back with the code
	Verifier    string // of PKCE: a secret
	RedirectURI string
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
	endpoint, err := url.Parse(meta.AuthorizationEndpoint)
	if err != nil || endpoint.Host == "" || endpoint.Scheme != "https" && endpoint.Scheme != "http" {
		return nil, errors.New("koppeltaal: authorize: the server names no authorization endpoint")
	}
	if token, _, err := c.Source.TokenEndpoint(ctx); err != nil || endpoint.Scheme != "https" && token.Scheme == "https" {
		return nil, errors.Join(errors.New("koppeltaal: authorize: the authorization endpoint is not https"), err)
	}
	a := &Authorization{Endpoint: endpoint.String(), State: random(), Verifier: random(), RedirectURI: redirectURI}
	challenge := sha256.Sum256([]byte(a.Verifier))
	a.Fields = url.Values{
		"response_type":         {"code"},
		"client_id":             {c.Source.ClientID()},
		"redirect_uri":          {redirectURI},
		"launch":                {htiToken},
		"scope":                 {"launch openid fhirUser"},
		"state":                 {a.State},
		"aud":                   {c.Source.BaseURL()},
		"code_challenge":        {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"},
	}
	return a, nil
}

// random returns 43 characters that nobody can guess (RFC 7636 section 4.1).
func random() string {
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
	return form.Execute(w, struct {
		*Authorization
		Nonce string
	}{a, nonce})
}

// A Session is what the code of a launch was exchanged for. It has no access token: Koppeltaal's is the placeholder NOOP, and
// FHIR requests always carry that of the [smartauth.Source].
type Session struct {
	Subject, Patient, Resource, Definition, Intent, Scope string
	ExpiresIn                                             time.Duration

	idToken string
}

// IDToken returns the id_token: a JWT about the user, to be verified by an OpenID Connect library, and never logged.
func (s *Session) IDToken() string { return s.idToken }

// String returns a text without the id_token.
func (s Session) String() string { return "koppeltaal.Session(redacted)" }

// Format prints String, whatever the verb.
func (s Session) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// ErrState is what [Client.ExchangeCode] returns, wrapped, if state is not that of the Authorization: somebody else's code.
var ErrState = errors.New("koppeltaal: exchange code: the state is not the one of this authorization")

// ExchangeCode exchanges the code that the browser has brought back with state, once, by the same client assertion as for access
// tokens. Errors are [*Error], [ErrState], or those of the Source.
func (c *Client) ExchangeCode(ctx context.Context, a *Authorization, code, state string) (*Session, error) {
	if a.State == "" || subtle.ConstantTimeCompare([]byte(a.State), []byte(state)) != 1 {
		return nil, ErrState
	}
	if code == "" {
		return nil, errors.New("koppeltaal: exchange code: the code is empty")
	}
	endpoint, audience, err := c.Source.TokenEndpoint(ctx)
	if err != nil {
		return nil, err
	}
	body, err := c.post(ctx, "exchange code", endpoint, audience, url.Values{
		"grant_type":    {"authorization_code"},
		"code":          {code},
		"redirect_uri":  {a.RedirectURI},
		"code_verifier": {a.Verifier},
	})
	if err != nil {
		return nil, err
	}
	var answer struct {
		IDToken    string      `json:"id_token"`
		Subject    string      `json:"sub"`
		Patient    string      `json:"patient"`
		Resource   string      `json:"resource"`
		Definition string      `json:"definition"`
		Intent     string      `json:"intent"`
		Scope      string      `json:"scope"`
		ExpiresIn  json.Number `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, &Error{Op: "exchange code", Endpoint: endpoint.Redacted(), StatusCode: 200, MaybeSent: true, err: errNotJSON}
	}
	seconds, _ := answer.ExpiresIn.Float64()
	return &Session{Subject: answer.Subject, Patient: answer.Patient, Resource: answer.Resource, Definition: answer.Definition,
		Intent: answer.Intent, Scope: answer.Scope, ExpiresIn: time.Duration(seconds * float64(time.Second)), idToken: answer.IDToken}, nil
}
