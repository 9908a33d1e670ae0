package smartauth_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// Hints are for the case at hand: what cannot be the cause is not among them.
func TestRefusalHints(t *testing.T) {
	invalidScope := smarttest.Fault{Status: 400, Body: `{"error":"invalid_scope"}`}
	denied := smarttest.Fault{Status: 401, Body: "Access Denied"}
	for _, c := range []struct {
		name      string
		client    smarttest.ClientOptions
		algorithm string
		scopes    []string
		fault     smarttest.Fault
		hint, not string
	}{
		{"RS512", smarttest.ClientOptions{RSA: true}, "", nil, denied, "set Config.Algorithm to RS384", "takes RS512 only"},
		{"RS384", smarttest.ClientOptions{RSA: true}, "RS384", nil, denied, "set Config.Algorithm to RS512", "does not know RS512"},
		{"ES384", smarttest.ClientOptions{}, "", nil, denied, "which this key cannot do: register a JWKS, or use an RSA key", "set Config.Algorithm"},
		{"another URL", smarttest.ClientOptions{}, "", nil, denied, "set Config.TokenURL and Config.Audience", "Config.Scopes"},
		{"another typ", smarttest.ClientOptions{}, "", []string{"system/*.rs"}, smarttest.Fault{Status: 401, Body: `{"error":"invalid_client"}`},
			"set Config.AssertionTyp, Config.TokenURL and Config.Audience", "leave Config.AssertionTyp empty"},
		{"no typ at Koppeltaal", smarttest.ClientOptions{}, "", nil, denied, "set Config.TokenURL and Config.Audience", "Config.AssertionTyp"},
		{"no clock that is off", smarttest.ClientOptions{}, "", nil, denied, "a PEM is registered instead of a JWKS", "clocks differ"},
		{"no scopes", smarttest.ClientOptions{}, "", nil, invalidScope, "Config.Scopes is empty", "commas"},
		{"joined scopes", smarttest.ClientOptions{}, "", []string{"system/Patient.rs,system/Task.rs"}, invalidScope, "joined by commas", "registered for"},
		{"scopes with commas left", smarttest.ClientOptions{}, "", []string{"system/Patient.rs,", "system/Task.rs"}, invalidScope, "joined by commas", "registered for"},
		{"a comma in a parameter", smarttest.ClientOptions{}, "", []string{"system/Task.rs?resource-origin=Device/1,Device/2"}, invalidScope,
			"registered for: system/Task.rs", "joined by commas"},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := smarttest.New(t, smarttest.Options{})
			cfg := srv.NewClient(c.client)
			cfg.Algorithm, cfg.Scopes = c.algorithm, c.scopes
			src, err := smartauth.New(cfg)
			if err != nil {
				t.Fatal(err)
			}
			srv.Fail(smarttest.TokenEndpoint, c.fault)
			_, err = src.Token(t.Context())
			e, _ := err.(*smartauth.Error)
			if e == nil {
				t.Fatalf("error %v", err)
			}
			mentions := func(text string) bool {
				return slices.ContainsFunc(e.Hints, func(hint string) bool { return strings.Contains(hint, text) })
			}
			if !mentions(c.hint) || mentions(c.not) {
				t.Errorf("hints %q, want one about %q and none about %q", e.Hints, c.hint, c.not)
			}
		})
	}
}

// A server that explains a refusal with what it was sent, or with the token from before, does not make us tell.
func TestRefusalThatEchoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := smarttest.New(t, smarttest.Options{InMemory: true})
		cfg := srv.NewClient(smarttest.ClientOptions{})
		cfg.TokenURL = srv.TokenURL() + "?tenant=7&key=hunter2%20marker"
		src, err := smartauth.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		echo := func(w http.ResponseWriter, r *http.Request) {
			text := "tenant 7: opaque-token " + r.URL.RawQuery + " " + r.FormValue("key")
			w.WriteHeader(http.StatusUnauthorized)
			_ = json.NewEncoder(w).Encode(map[string]string{"error": text, "error_description": text})
		}
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Body: `{"access_token":"opaque-token"}`}, smarttest.Fault{Handler: echo})
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(301 * time.Second)
		var e *smartauth.Error
		if _, err := src.Token(t.Context()); !errors.As(err, &e) {
			t.Fatal(err)
		}
		if want := "tenant 7: [removed] [removed] [removed]"; e.Code != want || e.Description != want {
			t.Errorf("code %q and description %q, want %q", e.Code, e.Description, want)
		}
	})
}
