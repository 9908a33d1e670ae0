package doctor_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

// What is wrong with the settings and the servers, up to the clock.
func TestServer(t *testing.T) {
	run(t, smarttest.Options{}, smarttest.ClientOptions{}, []trial{
		{"no client id", func(_ *testing.T, p *patient) { p.Config.ClientID = "" },
			[]string{"fail settings|Config.ClientID is empty", "skip discovery|settings failed", "skip read|settings failed", "ok JWKS key"}},
		{"an algorithm that the key cannot do", func(_ *testing.T, p *patient) { p.Config.Algorithm = "RS512" },
			[]string{"fail settings|cannot do Config.Algorithm"}},
		{"no tenant", func(_ *testing.T, p *patient) { p.Config.BaseURL = p.FHIROrigin() + "/fhir" },
			[]string{"fail discovery|401 Unauthorized|the tenant is missing", "skip token endpoint|discovery failed", "skip token|discovery failed", "ok key"}},
		{"not the base", func(_ *testing.T, p *patient) { p.Config.BaseURL = p.FHIROrigin() + "/x" },
			[]string{"fail discovery|404|not the base of a FHIR server"}},
		{"FHIR server down", func(t *testing.T, p *patient) { down(t, p, smarttest.FHIRServer) },
			[]string{"fail discovery|connection refused\n      - nothing listens on that host and port: check Config.BaseURL\n"}},
		{"CapabilityStatement only", func(_ *testing.T, p *patient) { p.Fail(smarttest.Discovery, smarttest.Fault{Status: 404}) },
			[]string{"warn discovery|CapabilityStatement|deprecated", "ok token"}},
		{"not for Backend Services", func(_ *testing.T, p *patient) {
			p.SetDiscovery(func(doc map[string]any) {
				doc["token_endpoint_auth_methods_supported"] = []string{"client_secret_basic"}
			})
		}, []string{"warn discovery|private_key_jwt", "ok token"}},
		{"no discovery, but a pinned endpoint", func(_ *testing.T, p *patient) {
			p.Config.TokenURL = p.TokenURL()
			p.Fail(smarttest.Discovery, smarttest.Fault{Status: 401})
		}, []string{"warn discovery|is pinned", "ok token"}},
		{"a token endpoint on plain http elsewhere", func(_ *testing.T, p *patient) {
			p.SetDiscovery(func(doc map[string]any) { doc["token_endpoint"] = "http://auth.example.nl/token" })
		}, []string{"fail discovery|plain http to auth.example.nl is refused", "skip token endpoint"}},
		{"plain http", func(_ *testing.T, p *patient) {
			p.Config.BaseURL, p.Options.JWKSURL = "http://fhir.example.nl/fhir", ""
		},
			[]string{"fail settings|plain http to fhir.example.nl is refused", "fail https|fhir.example.nl is not https|Config.InsecureHosts", "skip discovery"}},
		{"plain http between containers", func(t *testing.T, p *patient) { contain(t, p) },
			[]string{"warn https|plain http to fhir-server|between containers", "ok token", "fail JWKS URL|is this machine"}},
		{"keys on plain http between containers", func(t *testing.T, p *patient) {
			contain(t, p)
			p.Config.InsecureHosts = append(p.Config.InsecureHosts, "my-app")
			p.Options.JWKSURL = "http://my-app:1/keys"
		}, []string{"warn https", "warn JWKS URL|is not https, which Config.InsecureHosts allows|between containers", "fail JWKS answer", "ok token"}},
		{"authorization server down", func(t *testing.T, p *patient) { down(t, p, smarttest.AuthServer) },
			[]string{"fail token endpoint|nobody answers|nothing listens", "skip clock|token endpoint failed", "skip token|token endpoint failed"}},
		{"authorization server broken", func(_ *testing.T, p *patient) { p.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503}) },
			[]string{"warn token endpoint|503", "fail token|503|try again later"}},
		{"a token endpoint that redirects", func(_ *testing.T, p *patient) {
			p.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 307, Header: http.Header{"Location": {"/elsewhere"}}})
		}, []string{"warn token endpoint|redirects (307)|Config.TokenURL", "fail token|307"}},
		{"not a token endpoint", func(_ *testing.T, p *patient) { p.Config.TokenURL = p.AuthOrigin() + "/oauth2" },
			[]string{"warn token endpoint|404|Config.TokenURL", "fail token|404"}},
		{"500 to the first request, a look at it", func(_ *testing.T, p *patient) {
			p.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 500, Times: 1})
		}, []string{"ok token endpoint|500|the server has taken it"}},
	})
}

// The aud of the official local stack is another than the URL posted to.
func TestAudience(t *testing.T) {
	const aud = "http://localhost:8080/fhir/oauth2/token"
	run(t, smarttest.Options{Audience: aud}, smarttest.ClientOptions{}, []trial{
		{"not set", func(*testing.T, *patient) {}, []string{"fail token|401|not a used jti, nor the clock, nor the published key, nor the algorithm|by another URL"}},
		{"not set, but to be guessed", func(_ *testing.T, p *patient) {
			p.SetDiscovery(func(doc map[string]any) { doc["issuer"] = "http://auth-service:5000" })
		}, []string{"fail token|401|- the server knows its token endpoint by another URL|- the client has no status Approved"}},
		{"another", func(_ *testing.T, p *patient) { p.Config.TokenURL, p.Config.Audience = p.TokenURL(), p.AuthOrigin() },
			[]string{"warn token endpoint|aud is|official local stack", "fail token|- Config.Audience is not the URL"}},
		{"right", func(_ *testing.T, p *patient) { p.Config.TokenURL, p.Config.Audience = p.TokenURL(), aud },
			[]string{"ok token endpoint|aud is|the server has taken it", "ok token"}},
	})
}

func TestClock(t *testing.T) {
	set := func(h smarttest.Host, d time.Duration) func(*testing.T, *patient) {
		return func(_ *testing.T, p *patient) { p.SetClockOffset(h, d) }
	}
	both := func(d time.Duration) func(*testing.T, *patient) {
		return func(_ *testing.T, p *patient) {
			p.SetClockOffset(smarttest.AuthServer, d)
			p.SetClockOffset(smarttest.FHIRServer, d)
		}
	}
	run(t, smarttest.Options{}, smarttest.ClientOptions{}, []trial{
		{"3 s ahead", both(-3 * time.Second), []string{"warn clock|s ahead|but assertions are back-dated", "ok token"}},
		{"a minute ahead", both(-time.Minute), []string{"warn clock|s ahead|until then the first assertion is refused", "ok token"}},
		{"a minute behind", both(time.Minute), []string{"warn clock|s behind", "ok token"}},
		{"7 minutes behind", both(7 * time.Minute), []string{"warn clock|s behind|seem more than 5 minutes old", "ok token"}},
		{"3 s behind", both(3 * time.Second), []string{"ok clock|does no harm"}},
		{"two days ahead", both(-48 * time.Hour), []string{"fail clock|s off", "fail token|- mend what failed above: clock"}},
		{"no Date, and ahead", func(_ *testing.T, p *patient) {
			p.SetClockOffset(smarttest.AuthServer, -time.Minute)
			p.Fail(smarttest.TokenEndpoint, smarttest.Fault{Header: http.Header{"Date": {}}})
		}, []string{"warn clock|does not tell its time", "fail token|not a used jti, nor the published key|- this machine's clock is ahead"}},
		{"FHIR server far behind", set(smarttest.FHIRServer, -30*time.Second),
			[]string{"warn clock|FHIR server's clock is|s behind", "fail read|refuses a token that was just issued|its clock is|s behind"}},
		{"FHIR server 2 s behind", set(smarttest.FHIRServer, -2*time.Second), []string{"warn read|Patient was read, but only|wait for it"}},
		{"FHIR server 10 minutes ahead", set(smarttest.FHIRServer, 10*time.Minute),
			[]string{"warn clock|FHIR server's clock is|s ahead", "fail read|refuses a token that was just issued|its clock is|s ahead"}},
		{"all clocks apart", func(_ *testing.T, p *patient) {
			p.SetClockOffset(smarttest.AuthServer, -48*time.Hour)
		}, []string{"fail clock|s off|FHIR server's clock is|s ahead", "fail token"}},
		{"a cache that answers", func(_ *testing.T, p *patient) {
			p.SetClockOffset(smarttest.AuthServer, time.Minute)
			p.SetClockOffset(smarttest.FHIRServer, time.Minute)
			p.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Status: 405, Header: http.Header{"Age": {"60"}}})
		}, []string{"warn clock|no Date, or that of a cache"}},
		{"ahead, and not approved", func(_ *testing.T, p *patient) {
			both(-time.Minute)(t, p)
			p.SetApproved(clientID, false)
		}, []string{"warn clock", "fail token|not a used jti, nor the published key|- this machine's clock is ahead"}},
		{"7 minutes behind, and not approved", func(_ *testing.T, p *patient) {
			both(7*time.Minute)(t, p)
			p.SetApproved(clientID, false)
		}, []string{"warn clock", "fail token|not a used jti, nor the published key|- this machine's clock is behind|!clock is ahead"}},
		{"FHIR server 6 s behind", set(smarttest.FHIRServer, -6*time.Second),
			[]string{"warn clock|FHIR server's clock is|s behind", "fail read|its clock is|s behind|3 s at most"}},
		{"a little ahead, and not approved", func(_ *testing.T, p *patient) {
			both(-3*time.Second)(t, p)
			p.SetApproved(clientID, false)
		}, []string{"warn clock", "fail token|not a used jti, nor the clock"}},
	})
}

func down(t *testing.T, p *patient, h smarttest.Host) {
	t.Helper()
	if err := p.SetDown(h, true); err != nil {
		t.Fatal(err)
	}
}

// contain has the FHIR server reached by a name, as between containers.
func contain(t *testing.T, p *patient) {
	t.Helper()
	u, err := url.Parse(p.BaseURL())
	if err != nil {
		t.Fatal(err)
	}
	address := u.Host
	u.Host = "fhir-server:" + u.Port()
	p.Config.BaseURL, p.Config.InsecureHosts = u.String(), []string{"fhir-server", "127.0.0.1"}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
		if to == u.Host {
			to = address
		}
		return new(net.Dialer).DialContext(ctx, network, to)
	}}
	p.Config.HTTPClient = &http.Client{Transport: transport}
}

// broken is a transport that reaches nobody.
type broken struct{}

func (broken) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, errors.New("out of reach")
}

// What can be said without a server.
func TestNoServer(t *testing.T) {
	for _, c := range []struct{ name, url, line string }{
		{"plain http", "http://app.example.nl/keys/5f2c81", "fail JWKS URL|not https"},
		{"this machine", "https://localhost/keys/5f2c81", "fail JWKS URL|is this machine"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPatient(t, smarttest.Options{}, smarttest.ClientOptions{})
			p.Config.BaseURL, p.Config.HTTPClient = "https://fhir.example.nl/fhir", &http.Client{Transport: broken{}}
			p.Options.JWKSURL = c.url
			must(t, diagnose(t, p), c.line, "skip JWKS key|JWKS URL failed", "fail discovery|the connection failed", "ok https")
		})
	}
}
