package smartauth

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/smartauth-go/smartauth/internal/clean"
)

// permanentCodes are the OAuth errors that no further try can mend. invalid_client is not among them: a client gets
// approved, a JWKS becomes reachable.
var permanentCodes = []string{"invalid_scope", "unauthorized_client", "unsupported_grant_type"}

// refusal returns the *Error of a response of the token endpoint that brought no token, with all that helps a developer
// who is stuck.
func (s *Source) refusal(resp *reply, endpoint *url.URL, a *assertion) *Error {
	e := resp.failure(PhaseExchange, clean.URL(endpoint))
	var oauth oauthError
	_ = json.Unmarshal(resp.body, &oauth) // plain text and HTML are common, and say nothing more than the status
	secrets := s.secrets(endpoint, a)
	e.Code = clean.Text(oauth.Code, 64, secrets...)
	e.Description = clean.Text(oauth.Description, 256, secrets...)
	if e.Kind == Temporary {
		if resp.status == http.StatusInternalServerError { // what Ory's fosite answers to an iat in the future; gateways send others
			e.clockOff = clockOff(resp, a)
			e.Hints = clockHints(e.clockOff)
		}
		return e
	}
	e.Algorithm, e.KeyID, e.Audience, e.Issuer = a.alg, a.kid, displayAudience(a.aud), s.cfg.ClientID

	switch {
	case resp.status >= 300 && resp.status < 400:
		e.Hints = []string{"the token endpoint redirects, and an assertion is not sent on: pin the right URL with Config.TokenURL"}
	case slices.Contains(permanentCodes, e.Code):
		e.Kind = Permanent
		if e.Code == "invalid_scope" {
			e.Hints = []string{s.scopeHint()}
		}
	case resp.refused():
		e.clockOff = clockOff(resp, a)
		e.Hints = s.refusalHints(e, a)
	default:
		e.Hints = []string{"this is not a token endpoint: check Config.BaseURL, or pin the right URL with Config.TokenURL"}
	}
	return e
}

// secrets are what a server may know of us and must not make us tell when it explains itself.
func (s *Source) secrets(endpoint *url.URL, a *assertion) []string {
	list := append(strings.Split(a.jwt, "."), a.jwt, endpoint.RawQuery)
	for _, values := range endpoint.Query() {
		list = append(list, values...)
	}
	if e := s.current.Load(); e != nil {
		list = append(list, e.token.AccessToken())
	}
	return slices.DeleteFunc(list, func(text string) bool { return len(text) < 6 }) // part of a word, or a number
}

// refused tells whether the status is one that servers refuse an assertion with: 400 and 401 by RFC 6749 section 5.2, with some
// 403, and with some 200 and an error in the body.
func (r *reply) refused() bool {
	switch r.status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden:
		return true
	}
	return r.status < 300
}

func (s *Source) refusalHints(e *Error, a *assertion) []string {
	var hints []string
	if e.StatusCode == http.StatusBadRequest && len(s.cfg.Scopes) == 0 {
		hints = append(hints, s.scopeHint())
	}
	hints = append(hints, clockHints(e.clockOff)...)
	hints = append(hints,
		"the client is not approved (yet), or client_id is not the one this server knows",
		fmt.Sprintf("kid %q is not in the JWKS that is registered for the client, or its key there is another", a.kid),
		"the server cannot read that JWKS: its URL must be reachable from the server, past firewalls and bot filters")
	switch {
	case a.alg == "RS512":
		hints = append(hints, "the server does not know RS512 (SMART servers need only RS384 and ES384): set Config.Algorithm to RS384")
	case slices.Contains(a.algs, "RS512"):
		hints = append(hints, "a PEM is registered instead of a JWKS, and Koppeltaal then takes RS512 only: set Config.Algorithm to RS512")
	default:
		hints = append(hints, "a PEM is registered instead of a JWKS, and Koppeltaal then takes RS512 only, which this key cannot do: "+
			"register a JWKS, or use an RSA key")
	}
	hints = append(hints, "the server knows its token endpoint by another URL than the one posted to: set Config.TokenURL and Config.Audience")
	switch {
	case s.cfg.AssertionTyp != defaultTyp:
		hints = append(hints, "the server wants JWT as the typ of the assertion's header, as SMART does: leave Config.AssertionTyp empty")
	case e.Code != "": // Koppeltaal, which looks at no typ, sends none
		hints = append(hints, "the server wants client-authentication+jwt as the typ of the assertion's header, and its issuer as the "+
			"audience: set Config.AssertionTyp, Config.TokenURL and Config.Audience")
	}
	return append(hints, s.discoverer.staleHints()...)
}

func clockHints(off time.Duration) []string {
	if off == 0 {
		return nil
	}
	return []string{fmt.Sprintf("the clocks differ: the server's is %+.0f s from the one the assertion was signed on", off.Seconds())}
}

func (s *Source) scopeHint() string {
	if len(s.cfg.Scopes) == 0 {
		return `Config.Scopes is empty, and this server wants some: try "system/*.rs"`
	}
	// A comma alone is no fault: the search parameters of a scope may have them.
	if list := strings.Join(s.cfg.Scopes, " "); strings.Contains(list, ", ") || strings.Contains(list, ",system/") {
		return "Config.Scopes has scopes that are joined by commas: give each its own element"
	}
	return "Config.Scopes asks for more than the client is registered for: " + strings.Join(s.cfg.Scopes, " ")
}

func withDiscoveryHints(e *Error) *Error {
	switch e.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Hints = []string{"the tenant is missing or wrong in Config.BaseURL, or it is more than the base: " +
			"Koppeltaal's reference server has its smart-configuration under /fhir/DEFAULT"}
	case http.StatusNotFound:
		e.Hints = []string{"Config.BaseURL is not the base of a FHIR server, or more than it: a server's CapabilityStatement is at its base + /metadata"}
	}
	return e
}
