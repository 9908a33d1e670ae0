package koppeltaal_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

// An assertion goes to no endpoint that only the discovery document vouches for, and over no plain http.
func TestEndpointsThatGetNoAssertion(t *testing.T) {
	for name, c := range map[string]struct {
		discovered any
		pinned     string
	}{
		"elsewhere":             {discovered: "https://elsewhere.example.nl/introspect"},
		"none":                  {discovered: nil},
		"no URL":                {discovered: "[not configured]"},
		"with a password":       {discovered: "http://u:password-marker@localhost:18081/oauth2/introspect"},
		"pinned, no https":      {pinned: "http://elsewhere.example.nl/introspect"},
		"pinned, relative":      {pinned: "/oauth2/introspect"},
		"pinned, with password": {pinned: "https://u:password-marker@auth.example.nl/introspect"},
		"pinned, another kind":  {pinned: "ftp://auth.example.nl/introspect"},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, s *sandbox) {
				s.SetDiscovery(func(doc map[string]any) { doc["introspection_endpoint"] = c.discovered })
				s.client.HTTPClient = &http.Client{Transport: endless{}}
				s.client.IntrospectionURL = c.pinned
				_, err := s.client.Introspect(t.Context(), "x")
				var e *koppeltaal.Error
				if err == nil || errors.As(err, &e) || strings.Contains(err.Error(), "password-marker") {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

// A pinned endpoint elsewhere is the caller's word, and with its own aud another one.
func TestPinnedIntrospectionEndpoint(t *testing.T) {
	const pinned = "https://introspection.example.nl/introspect"
	for _, named := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := start(t, smarttest.Options{InMemory: true}, func(_ *smarttest.Server, cfg *smartauth.Config) {
				if named {
					cfg.AssertionAudiences = []string{pinned}
				}
			})
			s.client.HTTPClient = &http.Client{Transport: endless{}}
			s.client.IntrospectionURL, s.client.IntrospectionAudience = pinned, koppeltaal.IntrospectionEndpointAudience
			_, err := s.client.Introspect(t.Context(), "x")
			var e *koppeltaal.Error
			if errors.As(err, &e) != named {
				t.Errorf("named %t: %v", named, err)
			}
		})
	}
}
