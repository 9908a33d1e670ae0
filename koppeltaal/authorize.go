package koppeltaal

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/url"

	"github.com/smartauth-go/smartauth/internal/origin"
)

// An Authorization is the request that the browser of whoever launches has to bring to the authorization server (SMART on HTI,
// TOP-KT-007), and what [Client.ExchangeCode] needs of it later. Printed and in JSON it shows nothing of that. Keep State, Verifier,
// RedirectURI and TraceID in the user's session, out of reach of the browser: an Authorization of these will do for the exchange.
type Authorization struct {
	// Endpoint is where to post Fields as a form: see WriteForm. Koppeltaal's servers have the capability authorize-post, and the
	// HTI token among the fields would not be safe in a URL.
	Endpoint string
	Fields   url.Values

	State       string // comes back with the code
	Verifier    string // of PKCE: a secret
	RedirectURI string
	TraceID     string // of the launch: the jti of the HTI token
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
	a := &Authorization{Endpoint: endpoint.String(), State: rand.Text(), Verifier: verifier(), RedirectURI: redirectURI, TraceID: traceOf(htiToken)}
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
	return form.Execute(w, struct {
		Endpoint string
		Fields   url.Values
		Nonce    string
	}{a.Endpoint, a.Fields, nonce})
}

// String returns a text without the secrets.
func (a Authorization) String() string { return "koppeltaal.Authorization(redacted)" }

// Format prints String, whatever the verb.
func (a Authorization) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, a.String()) }

// MarshalJSON returns String as a JSON string, which cannot be read back.
func (a Authorization) MarshalJSON() ([]byte, error) { return []byte(`"` + a.String() + `"`), nil }
