package smartauth_test

import (
	"errors"
	"net/http"
	"net/url"
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
		{"tenant missing", fault{Status: 401}, smartauth.Refused, 1, "tenant is missing"},
		{"neither document", fault{Status: 404}, smartauth.Refused, 1, "not the base of a FHIR server"},
		{"HTML", fault{Body: "<html>"}, smartauth.Refused, 1, "not a JSON object"},
		{"500", fault{Status: 500}, smartauth.Temporary, 3, "500 Internal Server Error"},
		{"no answer", fault{Hang: true}, smartauth.Temporary, 1, "deadline"},
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

func TestDiscoveryIsRememberedForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		poll(t, src, 59*time.Minute)
		if n := srv.Counts().Discovery; n != 1 {
			t.Errorf("%d discoveries in the first hour, want 1", n)
		}
		srv.Fail(smarttest.Discovery, smarttest.Fault{Status: 500})
		poll(t, src, time.Hour) // stale is better than none
		if n := srv.Counts().Discovery; n < 2 || n > 20 {
			t.Errorf("%d discoveries with the document gone; want one with each new token at most", n)
		}
	})
}

// A dead endpoint is looked up anew, but not on another host.
func TestTokenEndpointMoves(t *testing.T) {
	for _, c := range []struct {
		name string
		host string
		err  string
	}{
		{"to another port", "localhost", ""},
		{"to another host", "auth.example.nl", "moved from host localhost to auth.example.nl"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, nil)
				if _, err := src.Token(t.Context()); err != nil {
					t.Fatal(err)
				}
				old, err := url.Parse(srv.TokenURL())
				if err != nil {
					t.Fatal(err)
				}
				moved, err := srv.Serve(c.host+":9999", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					w.Header().Set("Content-Type", "application/json")
					_, _ = w.Write([]byte(`{"access_token":"moved","token_type":"bearer"}`))
				}))
				if err != nil {
					t.Fatal(err)
				}
				moved = "https" + strings.TrimPrefix(moved, "http")
				if c.host == "localhost" {
					moved = "http" + strings.TrimPrefix(moved, "https")
				}
				srv.SetDiscovery(func(doc map[string]any) { doc["token_endpoint"] = moved + old.Path })
				srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{CloseConnection: true})
				time.Sleep(301 * time.Second)

				token, err := src.Token(t.Context())
				if c.err == "" {
					if err != nil || token.AccessToken() != "moved" {
						t.Errorf("got %v, %v, want a token of the new endpoint", token, err)
					}
					return
				}
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got %v, %v, want an error about the move", token, err)
				}
			})
		})
	}
}

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
			cfg := srv.NewClient(smarttest.ClientOptions{RSA: c.rsa})
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
		srv.TokenURL():                          true,
		srv.IntrospectionURL():                  true,
		srv.AuthOrigin() + "/anything":          true,
		"https://other.example.nl/introspect":   true,
		"https://other.example.nl/introspect/x": false,
		srv.FHIROrigin() + "/x":                 false,
		"":                                      false,
		"https://evil.example.nl/token":         false,
	} {
		assertion, err := src.Assertion(t.Context(), audience)
		if (err == nil) != allowed || (assertion != "") != allowed {
			t.Errorf("audience %q: %v, want allowed: %v", audience, err, allowed)
		}
	}
}

// poll calls Token once a second.
func poll(t *testing.T, src *smartauth.Source, d time.Duration) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < d; time.Sleep(time.Second) {
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
