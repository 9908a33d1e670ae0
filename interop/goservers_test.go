package interop

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
)

func eachGoPeer(t *testing.T, test func(t *testing.T, peer goPeer)) {
	for _, peer := range goPeers {
		t.Run(peer.name, func(t *testing.T) { test(t, peer) })
	}
}

// Every algorithm a server takes, with the key registered as a JWKS and as its URL: a token, its use, and one more token after
// a revocation.
func TestGoServers(t *testing.T) {
	eachGoPeer(t, func(t *testing.T, peer goPeer) {
		for _, alg := range peer.algs {
			for _, publishing := range []string{"jwks", "jwks_uri"} {
				t.Run(alg+"/"+publishing, func(t *testing.T) {
					key := generateKey(t, alg)
					c := client{ID: "app", Alg: alg, JWKS: jwksOf(t, key, alg)}
					if publishing == "jwks_uri" {
						c.JWKSURI, _ = publish(t, c.JWKS)
						c.JWKS = nil
					}
					srv := startGo(t, peer, c)
					src, err := smartauth.New(srv.config(t, c.ID, alg, key, ""))
					if err != nil {
						t.Fatal(err)
					}
					tok, err := src.Token(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if tok.Scope() != scope {
						t.Errorf("granted scope %q, want %q", tok.Scope(), scope)
					}
					hc := smarthttp.NewClient(src, nil)
					searchPatients(t, hc, srv.FHIR)
					searchPatients(t, hc, srv.FHIR)
					if n := srv.count(); n != 1 {
						t.Fatalf("%d tokens were issued for two calls, want 1", n)
					}
					srv.revokeAll()
					searchPatients(t, hc, srv.FHIR)
					searchPatients(t, hc, srv.FHIR)
					if n := srv.count(); n != 2 {
						t.Errorf("%d tokens were issued in all, want one more after the revocation", n)
					}
				})
			}
		}
	})
}

// A server that answered, but not to us, has used up the assertion. Each try brings another, so the third gets its token, and
// those before are worth nothing to whoever recorded them where the server looks at jti.
func TestGoServersThroughRetries(t *testing.T) {
	eachGoPeer(t, func(t *testing.T, peer goPeer) {
		alg := peer.algs[0]
		key := generateKey(t, alg)
		srv := startGo(t, peer, client{ID: "app", Alg: alg, JWKS: jwksOf(t, key, alg)})
		src, err := smartauth.New(srv.config(t, "app", alg, key, ""))
		if err != nil {
			t.Fatal(err)
		}
		srv.loseNext(2)
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		searchPatients(t, smarthttp.NewClient(src, nil), srv.FHIR)
		assertions := srv.seen()
		if len(assertions) != 3 || srv.count() != 3 {
			t.Fatalf("%d assertions were sent and %d accepted, want 3 and 3", len(assertions), srv.count())
		}

		for i, assertion := range assertions {
			status, code := replay(t, srv.TokenURL, assertion)
			switch {
			case peer.replayed == "" && status != http.StatusOK:
				t.Errorf("assertion %d again: %d %s; this server was thought not to look at jti", i, status, code)
			case peer.replayed != "" && (status == http.StatusOK || code != peer.replayed):
				t.Errorf("assertion %d again: %d %s, want %s", i, status, code, peer.replayed)
			}
		}
	})
}

// replay posts an assertion that was used before, and returns the status and the error code.
func replay(t *testing.T, tokenURL, assertion string) (status int, code string) {
	t.Helper()
	resp, err := http.PostForm(tokenURL, url.Values{
		"grant_type":            {"client_credentials"},
		"scope":                 {scope},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		"client_assertion":      {assertion},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Error string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer.Error
}

// What a developer reads who has the wrong key says what was sent, and that the key may be the reason.
func TestGoServersRefuseAnotherKey(t *testing.T) {
	eachGoPeer(t, func(t *testing.T, peer goPeer) {
		alg := peer.algs[0]
		registered, other := generateKey(t, alg), generateKey(t, alg)
		srv := startGo(t, peer, client{ID: "app", Alg: alg, JWKS: jwksOf(t, registered, alg)})
		kid, err := smartauth.Thumbprint(registered.Public())
		if err != nil {
			t.Fatal(err)
		}
		unknown, err := smartauth.Thumbprint(other.Public())
		if err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name, kid string
			status    int
		}{{"known key id", kid, peer.wrongKey}, {"unknown key id", unknown, peer.unknownKey}} {
			t.Run(tt.name, func(t *testing.T) {
				cfg := srv.config(t, "app", alg, other, tt.kid)
				src, err := smartauth.New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				_, err = src.Token(t.Context())
				var refused *smartauth.Error
				if !errors.As(err, &refused) {
					t.Fatalf("the error is %T (%v), want *smartauth.Error", err, err)
				}
				if refused.Kind != smartauth.Refused || refused.StatusCode != tt.status || refused.Code == "" || refused.Description == "" {
					t.Errorf("got kind %v, status %d, code %q, description %q; want refused, %d and the server's reason",
						refused.Kind, refused.StatusCode, refused.Code, refused.Description, tt.status)
				}
				audience := srv.TokenURL
				if peer.byIssuer {
					audience = srv.base
				}
				text := err.Error()
				for _, want := range []string{
					"alg " + alg, `kid "` + tt.kid + `"`, `aud "` + audience + `"`, `iss "app"`,
					"is not in the JWKS that is registered for the client, or its key there is another",
				} {
					if !strings.Contains(text, want) {
						t.Errorf("the text does not say %s:\n%s", want, text)
					}
				}
				for _, assertion := range srv.seen() {
					if strings.Contains(text, assertion) {
						t.Error("the text has the assertion in it")
					}
				}
			})
		}
		if n := srv.count(); n != 0 {
			t.Errorf("%d tokens were issued for the wrong key", n)
		}
	})
}
