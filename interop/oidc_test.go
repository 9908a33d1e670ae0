package interop

import (
	"crypto"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
)

const scope = "system/Patient.rs"

// newSource returns a source with the key read from PEM, and its id left to the library. The algorithm is negotiated, but
// for RS512: a server that advertises a list is offered SMART's RS384 first.
func newSource(t *testing.T, srv *oidcServer, clientID, alg string, key crypto.Signer) *smartauth.Source {
	t.Helper()
	signer, err := smartauth.ParseKey(pemOf(t, key), "")
	if err != nil {
		t.Fatal(err)
	}
	cfg := smartauth.Config{BaseURL: srv.FHIR, ClientID: clientID, Signer: signer, Scopes: []string{scope}}
	if alg == "RS512" {
		cfg.Algorithm = alg
	}
	src, err := smartauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

func TestOIDCProvider(t *testing.T) {
	type registration struct {
		client
		key   crypto.Signer
		asked *atomic.Int32 // for the JWKS, nil if the server has it already
	}
	var registrations []registration
	var clients []client
	for _, alg := range []string{"RS512", "RS384", "ES384"} {
		for _, publishing := range []string{"jwks", "jwks_uri"} {
			for _, format := range []string{"jwt", "opaque"} {
				key := generateKey(t, alg)
				r := registration{key: key, client: client{ID: alg + "/" + publishing + "/" + format, Alg: alg, Format: format}}
				if jwks := jwksOf(t, key, alg); publishing == "jwks" {
					r.JWKS = jwks
				} else {
					r.JWKSURI, r.asked = publish(t, jwks)
				}
				registrations = append(registrations, r)
				clients = append(clients, r.client)
			}
		}
	}
	srv := startOIDC(t, clients...)

	for _, r := range registrations {
		t.Run(r.ID, func(t *testing.T) {
			src := newSource(t, srv, r.ID, r.Alg, r.key)
			tok, err := src.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if tok.Scope() != scope {
				t.Errorf("granted scope %q, want %q", tok.Scope(), scope)
			}
			if jwt := strings.Count(tok.AccessToken(), ".") == 2; jwt != (r.Format == "jwt") {
				t.Errorf("a token of three parts: %v, and the client's are %s", jwt, r.Format)
			}
			if r.asked != nil && r.asked.Load() == 0 {
				t.Error("the server did not read the published JWKS")
			}

			hc := smarthttp.NewClient(src, nil)
			searchPatients(t, hc, srv.FHIR)
			searchPatients(t, hc, srv.FHIR)
			if n := srv.issued(t, r.ID); n != 1 {
				t.Fatalf("%d tokens were issued for two calls, want 1", n)
			}

			srv.revokeAll(t)
			searchPatients(t, hc, srv.FHIR)
			searchPatients(t, hc, srv.FHIR)
			if n := srv.issued(t, r.ID); n != 2 {
				t.Errorf("%d tokens were issued in all, want one more after the revocation", n)
			}
		})
	}
}

// searchPatients fails the test unless the FHIR server answers as to a valid bearer.
func searchPatients(t *testing.T, hc *http.Client, base string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/Patient", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := hc.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("GET Patient: %s: %s", resp.Status, body)
	}
	var bundle struct{ ResourceType string }
	if err := json.Unmarshal(body, &bundle); err != nil || bundle.ResourceType != "Bundle" {
		t.Fatalf("GET Patient returned no Bundle (%v): %s", err, body)
	}
}

func TestOIDCProviderRefusesAnotherKey(t *testing.T) {
	registered, other := generateKey(t, "RS384"), generateKey(t, "RS384")
	srv := startOIDC(t, client{ID: "app", Alg: "RS384", Format: "opaque", JWKS: jwksOf(t, registered, "RS384")})
	kid, err := smartauth.Thumbprint(registered.Public())
	if err != nil {
		t.Fatal(err)
	}

	for name, kid := range map[string]string{"unknown key id": "", "known key id": kid} {
		t.Run(name, func(t *testing.T) {
			signer, err := smartauth.NewSigner(other, kid)
			if err != nil {
				t.Fatal(err)
			}
			src, err := smartauth.New(smartauth.Config{BaseURL: srv.FHIR, ClientID: "app", Signer: signer, Scopes: []string{scope}})
			if err != nil {
				t.Fatal(err)
			}
			_, err = src.Token(t.Context())
			var refused *smartauth.Error
			if !errors.As(err, &refused) {
				t.Fatalf("the error is %T (%v), want *smartauth.Error", err, err)
			}
			if refused.Code != "invalid_client" || refused.Kind != smartauth.Refused || refused.StatusCode != http.StatusUnauthorized {
				t.Errorf("got code %q, kind %v, status %d; want invalid_client, refused, 401: %v",
					refused.Code, refused.Kind, refused.StatusCode, refused)
			}
		})
	}
	if n := srv.issued(t, "app"); n != 0 {
		t.Errorf("%d tokens were issued for the wrong key", n)
	}
}

// A server that goes by draft-ietf-oauth-rfc7523bis grants a token for its typ and its issuer as the audience, and none for
// what SMART has in their place.
func TestOIDCProviderOfRFC7523bis(t *testing.T) {
	key := generateKey(t, "ES384")
	srv := startOIDC(t, client{ID: "app", Alg: "ES384", Format: "opaque", Typ: rfc7523bisTyp, JWKS: jwksOf(t, key, "ES384")})
	signer, err := smartauth.NewSigner(key, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, audience, typ string
		granted             bool
	}{
		{"both", srv.Issuer, rfc7523bisTyp, true},
		{"another typ", srv.Issuer, "", false},
		{"another audience", srv.Token, rfc7523bisTyp, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src, err := smartauth.New(smartauth.Config{BaseURL: srv.FHIR, ClientID: "app", Signer: signer, Scopes: []string{scope},
				TokenURL: srv.Token, Audience: tt.audience, AssertionTyp: tt.typ})
			if err != nil {
				t.Fatal(err)
			}
			_, err = src.Token(t.Context())
			var refused *smartauth.Error
			if tt.granted && err != nil || !tt.granted && (!errors.As(err, &refused) || refused.Code != "invalid_client") {
				t.Errorf("error %v; a token is granted: %v", err, tt.granted)
			}
		})
	}
	if n := srv.issued(t, "app"); n != 1 {
		t.Errorf("%d tokens were issued, want 1", n)
	}
}
