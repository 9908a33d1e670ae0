package interop

import (
	"crypto"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// What Inferno's client suite of the SMART App Launch test kit looks for in a backend client, a subtest for each of its checks.
func TestInfernoClientChecks(t *testing.T) {
	checkRuns(t, []clientCheck{
		{"keys", validKeys},
		field("grant_type", "client_credentials"),
		field("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
		field("scope", scope), // not blank, and not among scopes_supported
		every("parses", func(r *clientRun, a sentAssertion) bool {
			_, err := r.parse(a)
			return err == nil
		}),
		every("typ", func(_ *clientRun, a sentAssertion) bool { return a.header["typ"] == "JWT" }),
		every("alg_and_kid", func(r *clientRun, a sentAssertion) bool {
			return a.header["alg"] == r.alg && len(r.set.Key(a.kid)) == 1
		}),
		every("signature", func(r *clientRun, a sentAssertion) bool {
			jws, err := r.parse(a)
			if err != nil || len(r.set.Key(a.kid)) != 1 {
				return false
			}
			_, err = jws.Verify(r.set.Key(a.kid)[0])
			return err == nil
		}),
		every("iss_and_sub", func(_ *clientRun, a sentAssertion) bool { return a.claims["iss"] == "app" && a.claims["sub"] == "app" }),
		every("aud", func(r *clientRun, a sentAssertion) bool { return a.claims["aud"] == r.TokenURL }), // no array is equal to it
		every("exp", func(_ *clientRun, a sentAssertion) bool { return a.exp == float64(int64(a.exp)) && a.exp > 0 }),
		{"jti", newJTIs},
		{"no_refresh", noRefresh},
		{"use", tokensAreUsed},
	})
}

func (r *clientRun) parse(a sentAssertion) (*jose.JSONWebSignature, error) {
	return jose.ParseSignedCompact(a.jwt, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(r.alg)})
}

func validKeys(t *testing.T, r *clientRun) {
	if len(r.set.Keys) != 1 {
		t.Fatalf("%s", r.published)
	}
	key := r.set.Keys[0]
	sum, err := key.Thumbprint(crypto.SHA256)
	if err != nil || !key.Valid() || !key.IsPublic() || key.KeyID != base64.RawURLEncoding.EncodeToString(sum) {
		t.Errorf("%v: %s", err, r.published)
	}
}

func newJTIs(t *testing.T, r *clientRun) {
	seen := map[string]bool{"": true}
	for _, a := range r.assertions {
		if seen[a.jti] {
			t.Errorf("jti %v, want a string that is new", a.claims["jti"])
		}
		seen[a.jti] = true
	}
}

func noRefresh(t *testing.T, r *clientRun) {
	for _, form := range r.forms {
		if form.Get("grant_type") == "refresh_token" || form.Has("refresh_token") || len(form) != 4 {
			t.Errorf("%d parameters of grant %q, want four and no refresh token", len(form), form.Get("grant_type"))
		}
	}
}

func tokensAreUsed(t *testing.T, r *clientRun) {
	if len(r.authorizations) == 0 {
		t.Error("no FHIR call was made")
	}
	for _, authorization := range r.authorizations {
		bearer, ok := strings.CutPrefix(authorization, "Bearer ")
		if !ok || !slices.Contains(r.bearers, bearer) {
			t.Error("a FHIR call without Bearer and one of the tokens")
		}
	}
}
