package smartauth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestDiscoveryRefusesEndpoints(t *testing.T) {
	for _, c := range []struct{ name, endpoint, err string }{
		{"absent", "", "names no token_endpoint"},
		{"http on another host", "http://auth.example.nl/token", "plain http to auth.example.nl"},
		{"userinfo", "https://u:hunter2@auth.example.nl/token", "user name or password"},
		{"no URL", "::", "token_endpoint"},
		{"another scheme", "ftp://localhost/token", "not an absolute https URL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, nil)
				srv.SetDiscovery(func(doc map[string]any) { doc["token_endpoint"] = c.endpoint })
				_, err := src.Token(t.Context())
				var e *smartauth.Error
				if !errors.As(err, &e) || e.Phase != smartauth.PhaseDiscover || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want one of discovery about %q", err, c.err)
				}
				if err != nil && strings.Contains(err.Error(), "hunter2") {
					t.Error("the error holds a password")
				}
				if n := srv.Counts().TokenRequests; n != 0 {
					t.Errorf("%d assertions were sent", n)
				}
			})
		})
	}
}

// SMART 2.2, Conformance: relative endpoints resolve against the FHIR base.
func TestRelativeTokenEndpoint(t *testing.T) {
	for given, path := range map[string]string{"oauth2/token": "/fhir/DEFAULT/oauth2/token", "/oauth2/token": "/oauth2/token"} {
		t.Run(given, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, nil)
				srv.SetDiscovery(func(doc map[string]any) { doc["token_endpoint"] = given })
				m, err := src.Metadata(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if want := srv.FHIROrigin() + path; m.TokenEndpoint != want {
					t.Errorf("token endpoint %q, want %q", m.TokenEndpoint, want)
				}
			})
		})
	}
}

func TestCapabilityStatementFallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		srv.Fail(smarttest.Discovery, smarttest.Fault{Status: 404})
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c := srv.Counts(); c.Discovery != 1 || c.Metadata != 1 {
			t.Errorf("%d and %d requests, want one for the smart-configuration and one for the CapabilityStatement", c.Discovery, c.Metadata)
		}
	})
}

func TestDiscoveryFailures(t *testing.T) {
	type fault = smarttest.Fault
	elsewhere := fault{Status: 302, Header: http.Header{"Location": {"https://other.example.nl/"}}}
	loop := fault{Status: 302, Header: http.Header{"Location": {"/fhir/DEFAULT/.well-known/smart-configuration"}}}
	for _, c := range []struct {
		name     string
		fault    fault
		kind     smartauth.Kind
		requests int
		err      string
	}{
		{"tenant missing", fault{Status: 401}, smartauth.Refused, 1, "tenant is missing or wrong"},
		{"neither document", fault{Status: 404}, smartauth.Refused, 1,
			"/.well-known/smart-configuration: 404 Not Found; likely causes: Config.BaseURL is not the base of a FHIR server"},
		{"HTML", fault{Body: "<html>"}, smartauth.Refused, 1, "not a JSON object"},
		{"500", fault{Status: 500}, smartauth.Temporary, 3, "500 Internal Server Error"},
		{"no answer", fault{Hang: true}, smartauth.Temporary, 1, "no answer within 15s"},
		{"redirect to another origin", elsewhere, smartauth.Refused, 1, "another origin"},
		{"redirect in a circle", loop, smartauth.Refused, 6, "more than 5 times"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, nil)
				srv.Fail(smarttest.Discovery, c.fault)
				srv.Fail(smarttest.Metadata, fault{Status: 404})
				_, err := src.Token(t.Context())
				var e *smartauth.Error
				if !errors.As(err, &e) || e.Phase != smartauth.PhaseDiscover || e.Kind != c.kind {
					t.Fatalf("error %#v, want one of discovery, %v", err, c.kind)
				}
				if !strings.Contains(err.Error(), c.err) {
					t.Errorf("%q does not mention %q", err, c.err)
				}
				if n := srv.Counts().Discovery; n != c.requests {
					t.Errorf("%d requests, want %d", n, c.requests)
				}
				srv.Clear()
				time.Sleep(2 * time.Second)
				if _, err := src.Token(t.Context()); err != nil {
					t.Errorf("after the fault: %v", err)
				}
			})
		})
	}
}

func TestDiscoveryFollowsRedirectsWithinTheOrigin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		srv.Fail(smarttest.Discovery, smarttest.Fault{Times: 1, Status: 302,
			Header: http.Header{"Location": {"/fhir/DEFAULT/.well-known/smart-configuration?v=2"}}})
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDiscoveryRedirectMustNotLeaveHTTPS(t *testing.T) {
	cfg := goodConfig(t)
	cfg.HTTPClient.Transport = answer(func(r *http.Request) *http.Response {
		if r.URL.Scheme != "https" {
			t.Errorf("asked %s", r.URL)
		}
		return &http.Response{StatusCode: 302, Header: http.Header{"Location": {"http://fhir.example.nl/x"}}, Body: http.NoBody}
	})
	src, err := smartauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := src.Token(t.Context()); err == nil || !strings.Contains(err.Error(), "another origin") {
		t.Errorf("error %v", err)
	}
}

// answer is an http.RoundTripper.
type answer func(*http.Request) *http.Response

func (a answer) RoundTrip(r *http.Request) (*http.Response, error) { return a(r), nil }

func TestPinnedTokenURLSkipsDiscovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := smarttest.Options{InMemory: true, Audience: "http://auth-service:5000/oauth2/token"}
		srv := smarttest.New(t, opts)
		cfg := srv.NewClient(smarttest.ClientOptions{})
		cfg.TokenURL, cfg.Audience = srv.TokenURL(), opts.Audience
		src, err := smartauth.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := srv.Counts().Discovery; n != 0 {
			t.Errorf("%d discoveries", n)
		}
	})
}
