package interop

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
)

// What Inferno's client suite of the SMART App Launch test kit looks for in a backend client, looked for by go-jose in a run
// with a lost answer and two revocations; and what other servers want of an assertion besides.
func TestInfernoClientChecks(t *testing.T) {
	for _, alg := range []string{"RS384", "ES384"} {
		t.Run(alg, func(t *testing.T) { infernoRun(t, alg) })
	}
}

func infernoRun(t *testing.T, alg string) {
	key := generateKey(t, alg)
	signer, err := smartauth.NewSigner(key, "")
	if err != nil {
		t.Fatal(err)
	}
	published, err := jwks.Marshal(jwks.KeyOf(signer))
	if err != nil {
		t.Fatal(err)
	}
	srv := startGo(t, fositePeer, client{ID: "app", Alg: alg, JWKS: published})
	cfg := srv.config(t, "app", "", key, "")
	src, err := smartauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	srv.loseNext(1)
	hc := smarthttp.NewClient(src, nil)
	for range 3 {
		searchPatients(t, hc, srv.FHIR)
		srv.revokeAll()
	}
	if len(srv.forms) != 4 {
		t.Fatalf("%d token requests, want 4", len(srv.forms))
	}

	var set jose.JSONWebKeySet
	t.Run("a valid key in the JWKS", func(t *testing.T) {
		if err := json.Unmarshal(published, &set); err != nil || len(set.Keys) != 1 {
			t.Fatalf("%v: %s", err, published)
		}
		sum, err := set.Keys[0].Thumbprint(crypto.SHA256)
		if err != nil || !set.Keys[0].Valid() || !set.Keys[0].IsPublic() || set.Keys[0].KeyID != base64.RawURLEncoding.EncodeToString(sum) {
			t.Errorf("%v: %s", err, published)
		}
	})

	t.Run("the form", func(t *testing.T) {
		for _, form := range srv.forms {
			for name, want := range map[string]string{
				"grant_type":            "client_credentials", // and never refresh_token
				"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
				"scope":                 scope, // not blank, and not among scopes_supported
			} {
				if got := form[name]; len(got) != 1 || got[0] != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
			if len(form) != 4 || len(form["client_assertion"]) != 1 {
				t.Errorf("%d parameters, want these and one client_assertion", len(form))
			}
		}
	})

	t.Run("the assertions", func(t *testing.T) {
		jtis := map[string]bool{}
		for _, assertion := range srv.seen() {
			checkAssertion(t, assertion, alg, &set, srv.TokenURL, began, jtis)
		}
		if len(jtis) != 4 {
			t.Errorf("%d different jti in 4 assertions", len(jtis))
		}
	})

	t.Run("an issued token in a FHIR call", func(t *testing.T) {
		for _, authorization := range srv.authorizations {
			bearer, ok := strings.CutPrefix(authorization, "Bearer ")
			if !ok || !slices.Contains(srv.bearers, bearer) {
				t.Error("a FHIR call without Bearer and one of the tokens")
			}
		}
	})
}

func checkAssertion(t *testing.T, assertion, alg string, set *jose.JSONWebKeySet, tokenURL string, began time.Time, jtis map[string]bool) {
	t.Helper()
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	part := func(i int) (data []byte, members map[string]any) {
		data, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		_ = json.Unmarshal(data, &members) // the signature is none
		return data, members
	}

	_, header := part(0)
	kid, _ := header["kid"].(string)
	if header["typ"] != "JWT" || header["alg"] != alg || len(header) != 3 {
		t.Errorf("header %v, want typ JWT, alg %s, kid, and no jku or anything else", header, alg)
	}
	found := set.Key(kid)
	if len(found) != 1 {
		t.Fatalf("kid %q is not in the JWKS", kid)
	}
	jws, err := jose.ParseSignedCompact(assertion, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jws.Verify(found[0]); err != nil {
		t.Error(err)
	}
	if signature, _ := part(2); alg == "ES384" && len(signature) != 96 {
		t.Errorf("a signature of %d bytes, want R and S of 48 each", len(signature))
	}

	_, claims := part(1)
	if claims["iss"] != "app" || claims["sub"] != "app" {
		t.Errorf("iss %v, sub %v, want the client's id", claims["iss"], claims["sub"])
	}
	if claims["aud"] != tokenURL { // a string: an array is not equal to one
		t.Errorf("aud %v, want %s", claims["aud"], tokenURL)
	}
	if _, ok := claims["nbf"]; ok {
		t.Error("has nbf")
	}
	jti, _ := claims["jti"].(string)
	if jti == "" || len(jti) > 151 || jtis[jti] {
		t.Errorf("jti %v, want a new string of at most 151 characters", claims["jti"])
	}
	jtis[jti] = true
	iat, _ := claims["iat"].(float64)
	exp, _ := claims["exp"].(float64)
	if iat != float64(int64(iat)) || exp != float64(int64(exp)) || exp-iat > 300 || exp-float64(time.Now().Unix()) < 240 {
		t.Errorf("iat %v and exp %v, want whole seconds, at most 300 apart, and exp at least 4 min ahead", claims["iat"], claims["exp"])
	}
	if iat > float64(time.Now().Unix()-5) || iat < float64(began.Unix()-10) {
		t.Errorf("iat %v, want 5 to 10 s ago", claims["iat"])
	}
}
