package smarttest

import (
	"errors"
	"maps"
	"net/http"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// serveIntrospection answers for HTI launch tokens (TOP-KT-007, TOP-KT-021) as the Koppeltaal reference server does, with
// what is odd about it: a launch token is active once, any client's assertion for the token endpoint passes for a token,
// access tokens never do, and some tokens crash it. The SMART profile answers errors by RFC 6749 and calls bad tokens
// inactive.
func (a *authServer) serveIntrospection(w http.ResponseWriter, r *http.Request) {
	smart := a.profile == SMART
	p, form := formParameters(r, !smart)
	if smart {
		if err := smartRequest(r, p, form); err != nil {
			oauthError(w, http.StatusBadRequest, "invalid_request", err.Error())
			return
		}
	}
	caller, err := a.authenticateParameters(r.Context(), p, a.introspection)
	switch {
	case err != nil && smart:
		smartRefusal(w, p, err)
		return
	case err != nil:
		accessDenied(w)
		return
	case p.Get("token") == "" && smart:
		oauthError(w, http.StatusBadRequest, "invalid_request", "token is missing")
		return
	case p.Get("token") == "":
		badRequest(w)
		return
	}

	claims, err := a.introspect(r, p.Get("token"), caller)
	switch {
	case errors.Is(err, errCrash) && !smart:
		internalError(w)
	case err != nil:
		writeJSON(w, http.StatusOK, "application/json", map[string]any{"active": false})
	default:
		response := maps.Clone(map[string]any(claims))
		response["active"] = true
		writeJSON(w, http.StatusOK, "application/json", response)
	}
}

var errCrash = errors.New("the reference server does not survive this")

// introspect returns the claims of a token that is active for the caller.
func (a *authServer) introspect(r *http.Request, raw string, caller client) (jwt.MapClaims, error) {
	u, err := decodeJWT(raw)
	if err != nil {
		return nil, errors.Join(errCrash, err)
	}
	if _, array := u.claims["aud"].([]any); array {
		return nil, errCrash
	}
	if iss, _ := u.claims["iss"].(string); iss == a.tokens.issuer {
		if !a.reportAccess && a.profile != SMART {
			return nil, errors.New("the reference server knows its own access tokens by another audience")
		}
		return a.tokens.check(raw, a.clock.now())
	}
	accepted := []string{"Device/" + caller.id}
	if !a.reportAccess {
		accepted = append(accepted, a.audience)
	}
	if aud, _ := u.claims["aud"].(string); a.profile == SMART && !strings.HasPrefix(aud, "Device/") {
		return nil, errors.New("a client assertion is no token")
	}
	if _, err := a.authenticateKoppeltaal(r.Context(), raw, accepted); err != nil {
		return nil, err
	}
	return u.claims, nil
}
