package doctor_test

import (
	"crypto/elliptic"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

// What the server refuses although all is well here.
func TestToken(t *testing.T) {
	const mended = "not a used jti, nor the clock, nor the published key, nor the algorithm for a JWKS"
	fail := func(f smarttest.Fault) func(*testing.T, *patient) {
		look := smarttest.Fault{Times: 1, Status: http.StatusMethodNotAllowed}
		return func(_ *testing.T, p *patient) { p.Fail(smarttest.TokenEndpoint, look, f) }
	}
	run(t, smarttest.Options{}, smarttest.ClientOptions{}, []trial{
		{"not approved", func(_ *testing.T, p *patient) { p.SetApproved(clientID, false) },
			[]string{"fail token|401 Unauthorized|" + mended + "|- the client has no status Approved|- another JWKS URL than this one|- a PEM is registered|by another URL|!is not in the JWKS that is registered|!clock is",
				"skip scope|token failed", "skip read|token failed"}},
		{"not known", func(_ *testing.T, p *patient) { p.Config.ClientID = "your-app" },
			[]string{"fail token|" + mended + `|- the client has no status Approved in the domain (yet), or Config.ClientID is not its id`}},
		{"the server cannot read the JWKS", func(_ *testing.T, p *patient) { p.RegisterJWKSURL(clientID, "http://127.0.0.1:1/keys") },
			[]string{"fail token|" + mended + "|the server cannot read it, though this machine can"}},
		{"another JWKS is registered", func(t *testing.T, p *patient) {
			p.RegisterJWKSURL(clientID, serve(t, p, http.NotFoundHandler()))
		}, []string{"fail token|" + mended + "|- another JWKS URL than this one is registered"}},
		{"another key, and no JWKS URL to look at", func(t *testing.T, p *patient) {
			p.Config.Signer, p.KeyFile, p.Options.JWKSURL = signerOf(t, newKey(t, elliptic.P384()), ""), "", ""
		}, []string{"fail token|not a used jti, nor the clock, nor the algorithm for a JWKS|is not in the JWKS that is registered|give Options.JWKSURL"}},
		{"trailing slash in the aud", func(_ *testing.T, p *patient) { p.Config.TokenURL, p.Config.Audience = p.TokenURL(), p.TokenURL()+"/" },
			[]string{"warn token endpoint|aud is", "fail token|401|- Config.Audience is not the URL"}},
		{"the issuer as aud", func(_ *testing.T, p *patient) {
			p.Config.TokenURL, p.Config.Audience = p.TokenURL(), p.AuthOrigin()+"/"
		},
			[]string{"warn token endpoint|aud is", "fail token|401|- Config.Audience is not the URL"}},
		{"localhost for 127.0.0.1", func(_ *testing.T, p *patient) {
			p.Config.TokenURL = strings.Replace(p.TokenURL(), "127.0.0.1", "localhost", 1)
		},
			[]string{"warn token endpoint|posted to http://localhost|but the server names http://127.0.0.1", "fail token|401|- the server knows its token endpoint by another URL"}},
		{"trailing slash in the URL", func(_ *testing.T, p *patient) { p.Config.TokenURL = p.TokenURL() + "/" },
			[]string{"warn token endpoint|404", "fail token|404"}},
		{"Bad Request", fail(smarttest.Fault{Status: 400, Body: "Bad Request"}), []string{"fail token|400 Bad Request|Config.Scopes is empty"}},
		{"forbidden", fail(smarttest.Fault{Status: 403}), []string{"fail token|403 Forbidden|" + mended + "|- the client has no status Approved"}},
		{"500", fail(smarttest.Fault{Status: 500}), []string{"fail token|500|try again later"}},
		{"closed", fail(smarttest.Fault{CloseConnection: true}), []string{"fail token|connection failed"}},
		{"a launch's token", fail(smarttest.Fault{Body: `{"access_token":"NOOP"}`}), []string{"fail token|NOOP"}},
		{"a short life", func(_ *testing.T, p *patient) { p.SetTokenLifetime(10 * time.Second) }, []string{"warn token|for 10s only"}},
	})
	run(t, smarttest.Options{Profile: smarttest.SMART}, smarttest.ClientOptions{}, []trial{
		{"no scopes", func(_ *testing.T, p *patient) { p.Config.Scopes = nil }, []string{"fail token|invalid_scope|Config.Scopes is empty"}},
		{"not approved", func(_ *testing.T, p *patient) { p.SetApproved(clientID, false) },
			[]string{"fail token|invalid_client|the client is not approved|- the client has no status Approved"}},
	})
}

func TestScope(t *testing.T) {
	run(t, smarttest.Options{}, smarttest.ClientOptions{}, []trial{
		{"no role", func(_ *testing.T, p *patient) { p.SetRole(clientID) }, []string{"ok token", "fail scope|good for nothing|a role", "warn read|may not read Patient"}},
		{"nonsense asked for", func(_ *testing.T, p *patient) { p.Config.Scopes = []string{"system/Nonsense.rs", "system/*.rs"} },
			[]string{"warn scope|not granted: system/Nonsense.rs\n|system/Patient.cruds", "ok read"}},
		{"less than is granted", func(_ *testing.T, p *patient) {
			p.Config.Scopes = []string{"system/Patient.rs", "system/Patient.read", "system/Task.*", "system/Task.r?status=ready"}
		}, []string{"ok scope"}},
		{"more than is granted", func(_ *testing.T, p *patient) {
			p.Config.Scopes = []string{"system/Patient.rs", "system/Task.cruds", "user/Task.rs", "system/Tas.rs", "launch", "system/Patient.write"}
			p.SetRole(clientID, "system/Patient.rs", "system/Task.rs")
		}, []string{"warn scope|not granted: system/Task.cruds user/Task.rs system/Tas.rs launch system/Patient.write\n"}},
		{"in parts", func(_ *testing.T, p *patient) {
			p.Config.Scopes = []string{"system/Patient.cruds", "launch"}
			p.SetRole(clientID, "system/Patient.rs", "system/*.write", "launch")
		}, []string{"ok scope"}},
		{"none named by another server", func(_ *testing.T, p *patient) {
			p.Config.Scopes = []string{"system/*.rs"}
			p.SetRole(clientID)
		}, []string{"warn scope|does not say which it granted", "warn read"}},
	})
}

func TestRead(t *testing.T) {
	fail := func(f smarttest.Fault) func(*testing.T, *patient) {
		return func(_ *testing.T, p *patient) { p.Fail(smarttest.FHIR, f) }
	}
	path := func(of string) func(*testing.T, *patient) {
		return func(_ *testing.T, p *patient) { p.ReadPath = of }
	}
	run(t, smarttest.Options{}, smarttest.ClientOptions{}, []trial{
		{"a token that is refused", func(_ *testing.T, p *patient) { p.AlwaysUnauthorized(true) },
			[]string{"ok token", "fail read|refuses a token that was just issued|keys of its authorization server|do not belong together"}},
		{"a clock that is a second behind", fail(smarttest.Fault{Times: 1, Status: 401}), []string{"warn read|only 1 s after|clock is behind"}},
		{"a role without Patient", func(_ *testing.T, p *patient) { p.SetRole(clientID, "system/Task.rs") },
			[]string{"ok scope|system/Task.rs", "warn read|may not read Patient|Options.ReadPath"}},
		{"nothing there", path("/Task/none"), []string{"warn read|the answer to Task/none is 404"}},
		{"another path", path("Task?_count=1"), []string{"ok read|Task: 200"}},
		{"a URL", path("https://fhir.example.nl/Patient"), []string{"skip read|no URL"}},
		{"too many requests", fail(smarttest.Fault{Status: 503}), []string{"fail read|503|5 a second"}},
		{"a redirect", fail(smarttest.Fault{Status: 302, Header: http.Header{"Location": {"https://portal.example.nl"}}}), []string{"fail read|redirects (302)"}},
		{"a portal", fail(smarttest.Fault{Body: "<html>"}), []string{"warn read|no FHIR resource|portal"}},
		{"a teapot", fail(smarttest.Fault{Status: 418}), []string{"warn read|418"}},
		{"closed", fail(smarttest.Fault{CloseConnection: true}), []string{"fail read|the connection failed"}},
	})
}

// A server that repeats what it was sent, wherever it can.
func echo(t *testing.T) func(w http.ResponseWriter, r *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		sent := r.PostForm.Get("client_assertion")
		if sent == "" {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		for _, name := range []string{"Location", "Content-Type", "WWW-Authenticate", "Cache-Control", "X-Request-Id"} {
			w.Header().Set(name, sent)
		}
		w.WriteHeader(http.StatusUnauthorized)
		if err := json.NewEncoder(w).Encode(map[string]any{"error": sent, "error_description": sent}); err != nil {
			t.Error(err)
		}
	}
}
