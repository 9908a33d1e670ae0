package smarttest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// serveSMARTToken follows SMART App Launch 2.2 (Backend Services) and RFC 6749 sections 4.4 and 5.
func (a *authServer) serveSMARTToken(w http.ResponseWriter, r *http.Request) {
	p, form := formParameters(r, false)
	if err := smartRequest(r, p, form); err != nil {
		oauthError(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	switch {
	case p.Get("grant_type") == "":
		oauthError(w, http.StatusBadRequest, "invalid_request", "grant_type is missing")
		return
	case p.Get("grant_type") != "client_credentials":
		oauthError(w, http.StatusBadRequest, "unsupported_grant_type", "only client_credentials is supported")
		return
	}
	c, err := a.authenticateParameters(r.Context(), p, []string{a.audience})
	if err != nil {
		smartRefusal(w, p, err)
		return
	}
	scope, err := grantScopes(p.Get("scope"), c.scopes)
	if err != nil {
		oauthError(w, http.StatusBadRequest, "invalid_scope", err.Error())
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	a.issue(w, c.id, "bearer", scope)
}

// smartRequest finds what is wrong with the form of a request.
func smartRequest(r *http.Request, p parameters, form bool) error {
	switch {
	case !form:
		return errors.New("the request is no application/x-www-form-urlencoded form")
	case len(p.repeated) > 0: // RFC 6749 section 3.2
		return fmt.Errorf("the parameter %q is repeated", p.repeated[0])
	case r.Header.Get("Authorization") != "": // RFC 6749 section 2.3
		return errors.New("a client uses one authentication method in a request, not an Authorization header besides")
	}
	return nil
}

// smartRefusal tells an assertion that is missing from one that is not good (RFC 6749 section 5.2).
func smartRefusal(w http.ResponseWriter, p parameters, err error) {
	if p.Get("client_assertion") == "" || p.Get("client_assertion_type") == "" {
		oauthError(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	oauthError(w, http.StatusUnauthorized, "invalid_client", err.Error())
}

func oauthError(w http.ResponseWriter, status int, code, description string) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache")
	writeJSON(w, status, "application/json", map[string]any{"error": code, "error_description": description})
}

// authenticateSMART checks all that SMART App Launch 2.2 (client-confidential-asymmetric) and RFC 7523 section 3 demand.
// Only an assertion that is otherwise good uses up its jti.
func (a *authServer) authenticateSMART(ctx context.Context, raw string, audiences []string) (client, error) {
	u, err := decodeJWT(raw)
	if err != nil {
		return client{}, err
	}
	if typ, _ := u.header["typ"].(string); typ != "JWT" {
		return client{}, errors.New("typ of the header is not JWT")
	}
	if _, err := text(u.header, "kid"); err != nil {
		return client{}, err
	}
	c, err := a.client(u)
	if err != nil {
		return client{}, err
	}
	if jku, present := u.header["jku"]; present && jku != c.jwksURL {
		return client{}, errors.New("jku is not the JWKS URL registered")
	}
	key, err := a.clientKey(ctx, c, u, "smarttest")
	if err != nil {
		return client{}, err
	}
	if err := u.verify(key, a.algorithms); err != nil {
		return client{}, err
	}
	if err := a.checkSMARTClaims(u, c, audiences); err != nil {
		return client{}, err
	}
	jti, err := text(u.claims, "jti")
	if err != nil {
		return client{}, err
	}
	return c, a.jtis.burn(jti)
}

func (a *authServer) checkSMARTClaims(u unverified, c client, audiences []string) error {
	sub, err := text(u.claims, "sub")
	if err != nil {
		return err
	}
	if sub != c.id {
		return errors.New("sub is not iss")
	}
	now := a.clock.now()
	if err := checkTimes(u.claims, now, false); err != nil {
		return err
	}
	exp, present, _ := instant(u.claims, "exp", false)
	switch {
	case !present:
		return errors.New("exp is missing")
	case exp.Sub(now) > 5*time.Minute:
		return fmt.Errorf("exp is %v ahead of the server's clock, more than five minutes", exp.Sub(now))
	}
	return checkAudience(u.claims, audiences)
}

// grantScopes returns the part of what was asked for that the role allows.
func grantScopes(asked string, role []string) (string, error) {
	if strings.TrimSpace(asked) == "" {
		return "", errors.New("scope is blank; Backend Services clients ask for system scopes")
	}
	var granted []string
	for _, want := range strings.Fields(asked) {
		wanted, ok := parseScope(want)
		if !ok {
			return "", fmt.Errorf("the scope %q is no system scope", want)
		}
		for _, have := range role {
			allowed, ok := parseScope(have)
			if !ok {
				continue
			}
			if scope := wanted.within(allowed); scope != "" && !slices.Contains(granted, scope) {
				granted = append(granted, scope)
			}
		}
	}
	if len(granted) == 0 {
		return "", errors.New("the client's role allows none of the scopes")
	}
	return strings.Join(granted, " "), nil
}
