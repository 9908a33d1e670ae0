package koppeltaal_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

// Where the specification and the reference server differ, the default does for the latter, and the setting for the former.
func TestDifferences(t *testing.T) {
	reference := smarttest.Options{InMemory: true}
	topic := smarttest.Options{InMemory: true, IntrospectionAudience: smarttest.EndpointAudience}
	smart := smarttest.Options{InMemory: true, Profile: smarttest.SMART} // narrows scopes, checks sub and exp, answers errors in JSON
	for _, c := range []struct {
		name, setting string
		opts          smarttest.Options
		test          func(*testing.T, *sandbox)
	}{
		{"1 introspection aud is that of the token endpoint", "Client.IntrospectionAudience: default", reference, launches},
		{"1 introspection aud is its own URL", "Client.IntrospectionAudience: IntrospectionEndpointAudience", topic, func(t *testing.T, s *sandbox) {
			s.client.IntrospectionAudience = koppeltaal.IntrospectionEndpointAudience
			launches(t, s)
		}},
		{"2 scope is ignored", "Config.Scopes: default", reference, func(t *testing.T, s *sandbox) {
			if scope := s.token(t, nil).Scope(); !strings.Contains(scope, "system/Patient.cruds ") {
				t.Errorf("granted %q", scope)
			}
		}},
		{"2 scope narrows", "Config.Scopes", smart, func(t *testing.T, s *sandbox) {
			if scope := s.token(t, func(c *smartauth.Config) { c.Scopes = []string{"system/Patient.rs"} }).Scope(); scope != "system/Patient.rs" {
				t.Errorf("granted %q", scope)
			}
		}},
		{"3 a PEM, with RS512 alone", "Config.Algorithm: default", reference, algorithm(smarttest.ClientOptions{PEM: true}, "RS512")},
		{"3 a JWKS URL", "Config.Algorithm: default", reference, algorithm(smarttest.ClientOptions{RSA: true}, "RS512")},
		{"3 a JWKS URL and an EC key", "Config.Algorithm: default", reference, algorithm(smarttest.ClientOptions{}, "ES384")},
		{"4 sub and exp are not demanded", "always sent", reference, subAndExp},
		{"4 sub and exp are demanded", "always sent", smart, subAndExp},
		{"5 the JWKS is fetched each time, or kept for its max-age", "jwks.RingConfig.MaxAge", reference, newKeyWaits},
		{"6 endpoints of the reference server", "Config.BaseURL", reference, func(t *testing.T, s *sandbox) { s.token(t, nil) }},
		{"6 endpoints of TOP-KT-018", "Config.BaseURL", reference, otherShape},
		{"7 access tokens are inactive", "Introspection.Active", reference, accessTokenIs(false)},
		{"7 access tokens are active", "Introspection.Active", topic, accessTokenIs(true)},
		{"8 PKCE is optional, and checked if sent", "always sent", reference, func(t *testing.T, s *sandbox) {
			if a, _ := s.authorize(t); a.Fields().Get("code_challenge_method") != "S256" || a.Fields().Get("code_challenge") == "" {
				t.Errorf("%v", a.Fields())
			}
		}},
		{"9 errors are text", "Error.StatusCode", reference, errorCodeIs("")},
		{"9 errors are those of OAuth", "Error.Code", smart, errorCodeIs("invalid_client")},
	} {
		t.Run(c.name+", "+c.setting, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { c.test(t, start(t, c.opts)) })
		})
	}
}

// token returns one for another client of the sandbox.
func (s *sandbox) token(t *testing.T, edit func(*smartauth.Config)) *smartauth.Token {
	t.Helper()
	cfg := s.NewClient(smarttest.ClientOptions{})
	if edit != nil {
		edit(&cfg)
	}
	token, err := source(t, cfg).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func launches(t *testing.T, s *sandbox) {
	if _, err := s.client.Launch(t.Context(), s.LaunchToken(s.src.ClientID(), nil)); err != nil {
		t.Error(err)
	}
}

func algorithm(client smarttest.ClientOptions, want string) func(*testing.T, *sandbox) {
	return func(t *testing.T, s *sandbox) {
		if _, err := source(t, s.NewClient(client)).Token(t.Context()); err != nil {
			t.Error(err)
		}
		if got := s.Assertions()[0].Header["alg"]; got != want {
			t.Errorf("signed with %v", got)
		}
	}
}

func subAndExp(t *testing.T, s *sandbox) {
	s.token(t, nil)
	claims := s.Assertions()[0].Claims
	if claims["sub"] != claims["iss"] || claims["exp"].(float64)-float64(time.Now().Unix()) > 300 {
		t.Errorf("%v", claims)
	}
}

func newKeyWaits(t *testing.T, s *sandbox) {
	began := time.Now()
	old := s.NewClient(smarttest.ClientOptions{}).Signer.(smartauth.PublicSigner)
	next := s.NewClient(smarttest.ClientOptions{}).Signer.(smartauth.PublicSigner)
	ring, err := jwks.NewRing(jwks.RingConfig{MaxAge: time.Hour, Load: func() ([]jwks.RingKey, error) {
		return []jwks.RingKey{{Signer: old, Published: began.Add(-24 * time.Hour)}, {Signer: next, Published: began}}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if time.Sleep(59 * time.Minute); ring.KeyID() != old.KeyID() {
		t.Error("a key signs that caches need not know")
	}
	if time.Sleep(5 * time.Minute); ring.KeyID() != next.KeyID() {
		t.Error("the new key does not sign")
	}
}

func otherShape(t *testing.T, s *sandbox) {
	const base = "http://localhost:8080/api/v1/TST"
	_, err := s.Serve("localhost:8080", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + r.URL.Path {
		case "GET/api/v1/TST/fhir/r4/.well-known/smart-configuration":
			_ = json.NewEncoder(w).Encode(map[string]string{"token_endpoint": base + "/oauth2/token", "introspection_endpoint": base + "/oauth2/introspect"})
		case "POST/api/v1/TST/oauth2/token":
			_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "x", "token_type": "bearer", "expires_in": "3600"})
		case "POST/api/v1/TST/oauth2/introspect":
			_ = json.NewEncoder(w).Encode(map[string]any{"active": false})
		default:
			http.NotFound(w, r)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	cfg := s.NewClient(smarttest.ClientOptions{})
	cfg.BaseURL = base + "/fhir/r4"
	s.client.Source = source(t, cfg)
	if _, err := s.client.Source.Token(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.client.Launch(t.Context(), "hti"); !errors.Is(err, koppeltaal.ErrNotALaunch) {
		t.Error(err)
	}
}

func accessTokenIs(active bool) func(*testing.T, *sandbox) {
	return func(t *testing.T, s *sandbox) {
		if active {
			s.client.IntrospectionAudience = koppeltaal.IntrospectionEndpointAudience
		}
		i, err := s.client.Introspect(t.Context(), s.token(t, nil).AccessToken())
		if err != nil || i.Active != active {
			t.Errorf("%v %v", i, err)
		}
	}
}

func errorCodeIs(code string) func(*testing.T, *sandbox) {
	return func(t *testing.T, s *sandbox) {
		token := must(s.src.Token(t.Context()))
		s.SetApproved(s.src.ClientID(), false)
		_, err := s.client.Introspect(t.Context(), "x")
		var own *koppeltaal.Error
		if !errors.As(err, &own) || own.StatusCode != 401 || own.Code != code {
			t.Errorf("%v", err)
		}
		time.Sleep(time.Until(token.Expiry()))
		_, err = s.src.Token(t.Context())
		var e *smartauth.Error
		if !errors.As(err, &e) || e.StatusCode != 401 || e.Code != code {
			t.Errorf("%v", err)
		}
	}
}
