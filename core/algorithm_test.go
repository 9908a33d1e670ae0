package smartauth_test

import (
	"crypto/elliptic"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestAlgorithmsThatBecomeRight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		srv.SetDiscovery(func(doc map[string]any) { doc["token_endpoint_auth_signing_alg_values_supported"] = []string{"RS384"} })
		if _, err := src.Token(t.Context()); err == nil {
			t.Fatal("no error")
		}
		srv.SetDiscovery(nil)
		time.Sleep(time.Minute)
		if _, err := src.Token(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAdvertisedAlgorithms(t *testing.T) {
	for _, c := range []struct {
		name       string
		advertised []string
		rsa        bool
		configured string
		want       string // empty: no algorithm in common
	}{
		{"SMART's two, RSA", []string{"ES384", "RS384"}, true, "", "RS384"},
		{"SMART's two, EC", []string{"ES384", "RS384"}, false, "", "ES384"},
		{"PS only", []string{"PS256", "PS512"}, true, "", "PS512"},
		{"SMART's preferred over others", []string{"RS256", "RS512", "RS384"}, true, "", "RS384"},
		{"configured", []string{"RS256", "RS384"}, true, "RS256", "RS256"},
		{"nothing in common", []string{"RS384"}, false, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := smarttest.New(t, smarttest.Options{Profile: smarttest.SMART, Algorithms: c.advertised})
			opts := smarttest.ClientOptions{RSA: c.rsa}
			if !c.rsa { // the sandbox makes no EC key where none is of use
				opts.Key = newEC(t, elliptic.P384())
			}
			cfg := srv.NewClient(opts)
			cfg.Algorithm = c.configured
			src, err := smartauth.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			_, err = src.Token(t.Context())
			if c.want == "" {
				var e *smartauth.Error
				if !errors.As(err, &e) || e.Kind != smartauth.Permanent || e.Phase != smartauth.PhaseSign {
					t.Errorf("error %v, want a permanent one of signing", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := srv.Assertions()[0].Header["alg"]; got != c.want {
				t.Errorf("signed with %v, want %s", got, c.want)
			}
		})
	}
}

func TestKoppeltaalAlgorithms(t *testing.T) {
	for _, c := range []struct {
		opts smarttest.ClientOptions
		want string
	}{{smarttest.ClientOptions{}, "ES384"}, {smarttest.ClientOptions{RSA: true}, "RS512"}, {smarttest.ClientOptions{PEM: true}, "RS512"}} {
		srv := smarttest.New(t, smarttest.Options{})
		src, err := smartauth.New(srv.NewClient(c.opts))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := srv.Assertions()[0].Header["alg"]; got != c.want {
			t.Errorf("%+v: signed with %v, want %s", c.opts, got, c.want)
		}
	}
}

func TestAssertionAudiences(t *testing.T) {
	srv := smarttest.New(t, smarttest.Options{})
	cfg := srv.NewClient(smarttest.ClientOptions{})
	cfg.AssertionAudiences = []string{"https://other.example.nl/introspect"}
	src, err := smartauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for audience, allowed := range map[string]bool{
		srv.TokenURL():                 true,
		srv.IntrospectionURL():         true,
		srv.AuthOrigin() + "/anything": true,
		strings.Replace(srv.TokenURL(), "://", "://user:secret@", 1): false,
		"https://other.example.nl/introspect":                        true,
		"https://other.example.nl/introspect/x":                      false,
		srv.FHIROrigin() + "/x":                                      false,
		"":                                                           false,
		"https://evil.example.nl/token":                              false,
	} {
		assertion, err := src.Assertion(t.Context(), audience)
		if (err == nil) != allowed || (assertion != "") != allowed {
			t.Errorf("audience %q: %v, want allowed: %v", audience, err, allowed)
		}
	}
}

// The first assertion is signed as all others are.
func TestAssertionKnowsTheServersAlgorithms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := smarttest.New(t, smarttest.Options{InMemory: true, Profile: smarttest.SMART})
		cfg := srv.NewClient(smarttest.ClientOptions{RSA: true})
		cfg.AssertionAudiences = []string{"https://elsewhere.example.nl/introspect"}
		src, err := smartauth.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		assertion, err := src.Assertion(t.Context(), cfg.AssertionAudiences[0])
		if err != nil {
			t.Fatal(err)
		}
		header, err := base64.RawURLEncoding.DecodeString(strings.Split(assertion, ".")[0])
		if err != nil || !strings.Contains(string(header), `"RS384"`) {
			t.Errorf("header %s, %v, want RS384, which the server advertises", header, err)
		}
	})
}
