package smartauth_test

import (
	"crypto/elliptic"
	"errors"
	"net/http"
	"strings"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// noNetwork fails the test that makes a request.
type noNetwork struct{ tb testing.TB }

func (n noNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	n.tb.Errorf("a request was made: %s %s", r.Method, r.URL)
	return nil, errors.New("no network")
}

func goodConfig(tb testing.TB) smartauth.Config {
	signer, err := smartauth.NewSigner(newEC(tb, elliptic.P384()), "")
	if err != nil {
		tb.Fatal(err)
	}
	return smartauth.Config{BaseURL: "https://fhir.example.nl/fhir/DEFAULT", ClientID: "app", Signer: signer,
		HTTPClient: &http.Client{Transport: noNetwork{tb}}}
}

func TestConfig(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*smartauth.Config)
		err    string // empty: it is good
	}{
		{"good", func(*smartauth.Config) {}, ""},
		{"trailing slash", func(c *smartauth.Config) { c.BaseURL += "/" }, ""},
		{"http on localhost", func(c *smartauth.Config) { c.BaseURL = "http://localhost:8080/fhir" }, ""},
		{"http on 127.0.0.1", func(c *smartauth.Config) { c.BaseURL = "http://127.0.0.1:8080/fhir" }, ""},
		{"http on ::1", func(c *smartauth.Config) { c.BaseURL = "http://[::1]:8080/fhir" }, ""},
		{"http on an insecure host", func(c *smartauth.Config) {
			c.BaseURL, c.InsecureHosts = "http://hapi:8080/fhir", []string{"hapi"}
		}, ""},
		{"http on an insecure host in capitals", func(c *smartauth.Config) {
			c.BaseURL, c.InsecureHosts = "http://HAPI:8080/fhir", []string{"hapi"}
		}, ""},
		{"http on another host than the insecure one", func(c *smartauth.Config) {
			c.BaseURL, c.InsecureHosts = "http://other/fhir", []string{"hapi"}
		}, "plain http to other"},
		{"http on a host that begins like the insecure one", func(c *smartauth.Config) {
			c.BaseURL, c.InsecureHosts = "http://hapi.example.nl/fhir", []string{"hapi"}
		}, "plain http to hapi.example.nl"},
		{"http on a host that ends like the insecure one", func(c *smartauth.Config) {
			c.BaseURL, c.InsecureHosts = "http://fhir.hapi/fhir", []string{"hapi"}
		}, "plain http to fhir.hapi"},
		{"pinned and overridden", func(c *smartauth.Config) {
			c.TokenURL, c.Audience = "https://auth.example.nl/token?tenant=1", "https://other.example.nl/token"
		}, ""},
		{"typ", func(c *smartauth.Config) { c.AssertionTyp = "client-authentication+jwt" }, ""},
		{"typ with its tree", func(c *smartauth.Config) { c.AssertionTyp = "application/client-authentication+jwt" }, "Config.AssertionTyp"},
		{"client_assertion_type for typ", func(c *smartauth.Config) {
			c.AssertionTyp = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
		}, "leave it empty for JWT"},
		{"typ with the file's line end", func(c *smartauth.Config) { c.AssertionTyp = "JWT\n" }, "Config.AssertionTyp"},
		{"typ that is too long", func(c *smartauth.Config) { c.AssertionTyp = strings.Repeat("a", 128) }, "Config.AssertionTyp"},
		{"no BaseURL", func(c *smartauth.Config) { c.BaseURL = "" }, "Config.BaseURL: empty"},
		{"relative BaseURL", func(c *smartauth.Config) { c.BaseURL = "fhir/DEFAULT" }, "Config.BaseURL: not an absolute"},
		{"no scheme", func(c *smartauth.Config) { c.BaseURL = "fhir.example.nl/fhir" }, "must begin with https://"},
		{"no scheme, with a port", func(c *smartauth.Config) { c.BaseURL = "fhir.example.nl:443/fhir" }, "must begin with https://"},
		{"no scheme, an address with a port", func(c *smartauth.Config) { c.BaseURL = "127.0.0.1:8080/fhir" }, "must begin with https://"},
		{"http", func(c *smartauth.Config) { c.BaseURL = "http://fhir.example.nl/fhir" }, "plain http to fhir.example.nl"},
		{"http on a host that begins like loopback", func(c *smartauth.Config) { c.BaseURL = "http://127.0.0.1.example.nl/" }, "plain http"},
		{"ftp", func(c *smartauth.Config) { c.BaseURL = "ftp://fhir.example.nl/" }, "not an absolute"},
		{"userinfo", func(c *smartauth.Config) { c.BaseURL = "https://u:hunter2@fhir.example.nl/" }, "user name or password"},
		{"unreadable with password", func(c *smartauth.Config) { c.BaseURL = "https://u:hunter2@[/" }, "not a URL"},
		{"query", func(c *smartauth.Config) { c.BaseURL += "?key=hunter2" }, "query"},
		{"query without content", func(c *smartauth.Config) { c.BaseURL += "?" }, "query"},
		{"fragment", func(c *smartauth.Config) { c.BaseURL += "#x" }, "fragment"},
		{"no ClientID", func(c *smartauth.Config) { c.ClientID = "" }, "Config.ClientID is empty"},
		{"no Signer", func(c *smartauth.Config) { c.Signer = nil }, "Config.Signer is nil"},
		{"a ring that was never made", func(c *smartauth.Config) { c.Signer = (*ring)(nil) }, "Config.Signer is nil"},
		{"a nil pointer in the ring", func(c *smartauth.Config) { c.Signer = &ring{keys: []smartauth.Signer{(*ring)(nil)}} }, "no current key"},
		{"no key id", func(c *smartauth.Config) { c.Signer = &ring{keys: []smartauth.Signer{noKeyID{c.Signer}}} }, "empty key id"},
		{"no key in the ring", func(c *smartauth.Config) { c.Signer = &ring{keys: []smartauth.Signer{nil}} }, "no current key"},
		{"algorithm that the key cannot do", func(c *smartauth.Config) { c.Algorithm = "RS512" }, "cannot do"},
		{"symmetric algorithm", func(c *smartauth.Config) { c.Algorithm = "HS256" }, "cannot do"},
		{"signer for symmetric algorithms alone", func(c *smartauth.Config) { c.Signer = symmetric{c.Signer} }, "no asymmetric JWS algorithm"},
		{"token endpoint on http", func(c *smartauth.Config) { c.TokenURL = "http://auth.example.nl/token" }, "Config.TokenURL: plain http"},
		{"token endpoint on loopback for a remote base", func(c *smartauth.Config) { c.TokenURL = "http://localhost/token" }, "Config.TokenURL: plain http"},
		{"Audience without TokenURL", func(c *smartauth.Config) { c.Audience = "https://a/" }, "Config.Audience needs Config.TokenURL"},
		{"two scopes in one", func(c *smartauth.Config) { c.Scopes = []string{"a b"} }, "not one scope"},
		{"client id with the file's line end", func(c *smartauth.Config) { c.ClientID = "app\n" }, "Config.ClientID"},
		{"insecure host with password", func(c *smartauth.Config) { c.InsecureHosts = []string{"hapi", "http://user:hunter2@hapi"} }, "Config.InsecureHosts[1]"},
		{"insecure host with port", func(c *smartauth.Config) { c.InsecureHosts = []string{"hapi:8080"} }, "plain host name"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := goodConfig(t)
			c.change(&cfg)
			_, err := smartauth.New(cfg)
			if c.err == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var e *smartauth.Error
			if !errors.As(err, &e) || e.Kind != smartauth.Permanent || e.Phase != smartauth.PhaseConfig {
				t.Fatalf("error %#v, want a permanent *Error of the configuration", err)
			}
			if !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %q does not mention %q", err, c.err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error %q holds the password", err)
			}
		})
	}
}

func TestConfigReportsEverythingAtOnce(t *testing.T) {
	_, err := smartauth.New(smartauth.Config{Audience: "x", Scopes: []string{""}})
	for _, want := range []string{"Config.BaseURL", "Config.ClientID", "Config.Signer", "Config.Audience", "Config.Scopes"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v does not mention %s", err, want)
		}
	}
}

type symmetric struct{ smartauth.Signer }

func (symmetric) Algorithms() []string { return []string{"HS256"} }

type noKeyID struct{ smartauth.Signer }

func (noKeyID) KeyID() string { return "" }
