package smarthttp_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestSkipped(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		var foreign []string
		redirect := ""
		origin, err := s.Serve("files.example.test:80", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			foreign = append(foreign, r.Header.Get("Authorization"))
			if redirect != "" {
				http.Redirect(w, r, redirect, http.StatusFound)
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		own, err := http.NewRequest(http.MethodGet, s.BaseURL()+"/Patient", nil)
		if err != nil {
			t.Fatal(err)
		}
		own.SetBasicAuth("user", "password")

		s.get(t, t.Context(), origin+"/file")
		redirect = s.BaseURL() + "/Patient"
		s.get(t, t.Context(), origin+"/file")
		s.get(t, smarthttp.WithoutBearer(t.Context()), s.BaseURL()+"/Patient")
		resp, err := s.client.Do(own)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()

		want := []smartauth.SkipReason{smartauth.SkipForeignOrigin, smartauth.SkipForeignOrigin, smartauth.SkipForeignRedirect,
			smartauth.SkipOptOut, smartauth.SkipOwnAuthorization}
		if got := s.events.skipped; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("skipped %v, want %v", got, want)
		}
		if strings.Join(foreign, "") != "" {
			t.Errorf("the other origin got %q", foreign)
		}
		if n := s.Counts().TokenRequests; n != 0 {
			t.Errorf("%d token requests for requests without a bearer", n)
		}
	})
}

// What counts as the same origin, without a network.
func TestOrigins(t *testing.T) {
	token := smartauth.NewToken("token", time.Time{})
	for url, want := range map[string]bool{
		"https://fhir.example.nl/x":                  true,
		"https://fhir.example.nl:443/x":              true,
		"HTTPS://FHIR.Example.NL/x":                  true,
		"https://files.example.nl/x":                 true,
		"https://files.example.nl:8443/x":            false,
		"http://fhir.example.nl/x":                   false,
		"http://fhir.example.nl:443/x":               false,
		"https://fhir.example.nl:80/x":               false,
		"https://fhir.example.nl./x":                 false,
		"https://fhir.example.nl.evil.test/x":        false,
		"https://evil.test/fhir.example.nl":          false,
		"https://fhir.example.nl@evil.test/x":        false,
		"https://\u212Aoppeltaal.example.nl/x":       false, // the Kelvin sign
		"https://koppeltaal.example.nl/x":            true,
		"https://[::ffff:127.0.0.1]/x":               false,
		"https://xn--fhir-example.nl/x":              false,
		"https://fhir.example.nl:0443/x":             false,
		"https://fhir.example.nl\u3002evil.test:1/x": false,
	} {
		base := &seen{}
		transport := &smarthttp.Transport{Source: staticSource{token}, Base: base,
			Origins: []string{"https://Files.example.nl/any/path", "https://koppeltaal.example.nl"}}
		r, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Scheme, _, _ = strings.Cut(url, ":") // which parsing made lower case
		if _, err := transport.RoundTrip(r); err != nil {
			t.Fatal(err)
		}
		if got := base.r.Header.Get("Authorization") != ""; got != want {
			t.Errorf("%s: bearer %v, want %v", url, got, want)
		}
		if r.Header.Get("Authorization") != "" {
			t.Error("the caller's own request was changed")
		}
	}
}

// at is a staticSource at another address.
type at struct {
	staticSource
	baseURL string
}

func (a at) BaseURL() string { return a.baseURL }

func TestPlainHTTPOrigins(t *testing.T) {
	token := staticSource{smartauth.NewToken("token", time.Time{})}
	cleartext := at{token, "http://hapi:8080/fhir"}
	for _, c := range []struct {
		src     smartauth.TokenSource
		origins string
		refused bool
	}{
		{token, "http://fhir.example.nl", true},
		{token, "http://fhir.example.nl:443", true},
		{token, "http://files.example.nl", true},
		{token, "http://localhost:9090", false},
		{token, "http://[::1]:9090", false},
		{bare{token}, "http://fhir.example.nl", true},
		{bare{token}, "https://fhir.example.nl http://fhir.example.nl", true},
		{bare{token}, "http://127.0.0.1:9090", false},
		{cleartext, "http://hapi:9090", false},
		{cleartext, "http://HAPI:9090", false},
		{cleartext, "http://files:8080", true},
		{cleartext, "http://hapi.evil.test:8080", true},
		{cleartext, "http://hapi:9090 http://files:8080", true},
	} {
		origins := strings.Fields(c.origins)
		base := &seen{}
		transport := &smarthttp.Transport{Source: c.src, Base: base, Origins: origins}
		r, err := http.NewRequest(http.MethodGet, origins[len(origins)-1]+"/file", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = transport.RoundTrip(r)
		switch {
		case c.refused && (err == nil || !strings.Contains(err.Error(), "plain http") || base.r != nil):
			t.Errorf("%T with %s: error %v, want one about plain http, and no request", c.src, c.origins, err)
		case !c.refused && (err != nil || base.r.Header.Get("Authorization") == ""):
			t.Errorf("%T with %s: error %v, want none and the token", c.src, c.origins, err)
		}
	}
}

// The host of Config.InsecureHosts, by name alone, over a real Source.
func TestPlainHTTPOriginOnAnInsecureHost(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		cfg := s.NewClient(smarttest.ClientOptions{})
		cfg.BaseURL, cfg.InsecureHosts, cfg.TokenURL = "http://hapi:8080/fhir", []string{"hapi", "files", "localhost"}, s.TokenURL()
		src, err := smartauth.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for origin, accepted := range map[string]bool{"http://hapi:9090": true, "http://files:8080": false} {
			base := &seen{}
			transport := &smarthttp.Transport{Source: src, Base: base, Origins: []string{origin}}
			for _, url := range []string{cfg.BaseURL + "/Patient", origin + "/file"} {
				r, err := http.NewRequest(http.MethodGet, url, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := transport.RoundTrip(r); (err == nil) != accepted {
					t.Fatalf("%s: error %v, accepted %v", origin, err, accepted)
				}
				if accepted && base.r.Header.Get("Authorization") == "" {
					t.Errorf("%s: no bearer at %s", origin, url)
				}
			}
		}
	})
}

func TestVerbatimAuthorizationIsTheCallersOwn(t *testing.T) {
	base, reported := &seen{}, &events{}
	transport := &smarthttp.Transport{Source: reporting{staticSource{smartauth.NewToken("token", time.Time{})}, reported}, Base: base}
	r := fhirRequest(t)
	r.Header["authorization"] = []string{"Bearer own"}
	before := r.Header.Clone()
	if _, err := transport.RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(base.r.Header, before, slices.Equal) {
		t.Errorf("sent with %v, want %v", base.r.Header, before)
	}
	if want := []smartauth.SkipReason{smartauth.SkipOwnAuthorization}; !slices.Equal(reported.skipped, want) {
		t.Errorf("skipped %v, want %v", reported.skipped, want)
	}
}
