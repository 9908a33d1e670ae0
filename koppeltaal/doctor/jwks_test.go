package doctor_test

import (
	"crypto/elliptic"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartauth-go/smartauth/core/jwks"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestJWKSURL(t *testing.T) {
	at := func(u string) func(*testing.T, *patient) {
		return func(_ *testing.T, p *patient) { p.Options.JWKSURL = u }
	}
	run(t, smarttest.Options{}, smarttest.ClientOptions{}, []trial{
		{"none", at(""), []string{"skip JWKS URL|there is no Options.JWKSURL", "skip JWKS key|there is no Options.JWKSURL", "ok token"}},
		{"no URL", at("app.example.nl/keys"), []string{"fail JWKS URL|not an absolute https URL", "skip JWKS answer|JWKS URL failed"}},
		{"with a password", at("https://me:marker@app.example.nl/keys"), []string{"fail JWKS URL|user or password"}},
		{"too long", at("https://app.example.nl/" + strings.Repeat("k", 240)), []string{"fail JWKS URL|263 characters, and domain admin keeps 255"}},
		{"a path to guess", func(t *testing.T, p *patient) {
			p.Options.JWKSURL = serve(t, p, p.served) + "/.well-known/jwks.json"
		}, []string{"warn JWKS URL|anybody can guess|TOP-KT-020", "ok JWKS key", "ok token"}},
	})
}

// serve starts a server of its own in the sandbox, and returns its origin.
func serve(t *testing.T, p *patient, h http.Handler) string {
	t.Helper()
	origin, err := p.Serve("", h)
	if err != nil {
		t.Fatal(err)
	}
	return origin
}

func TestJWKSAnswer(t *testing.T) {
	with := func(change func(w http.ResponseWriter, r *http.Request) (done bool)) func(*testing.T, *patient) {
		return func(_ *testing.T, p *patient) {
			inner := p.served
			p.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if !change(w, r) {
					inner.ServeHTTP(w, r)
				}
			}))
		}
	}
	status := func(code int) func(*testing.T, *patient) {
		return with(func(w http.ResponseWriter, _ *http.Request) bool { w.WriteHeader(code); return true })
	}
	run(t, smarttest.Options{}, smarttest.ClientOptions{}, []trial{
		{"404", status(404), []string{"fail JWKS answer|404", "skip JWKS key|JWKS answer failed", "skip JWKS caching", "fail token|401|- mend what failed above: JWKS answer"}},
		{"503", status(503), []string{"fail JWKS answer|503", "fail token|- mend what failed above: JWKS answer"}},
		{"nobody there", func(_ *testing.T, p *patient) { p.Options.JWKSURL = "http://127.0.0.1:1/keys" },
			[]string{"fail JWKS answer|cannot be read|nothing listens", "ok token"}},
		{"a bot filter", with(func(w http.ResponseWriter, r *http.Request) bool {
			bot := strings.HasPrefix(r.UserAgent(), "python")
			if bot {
				w.WriteHeader(http.StatusForbidden)
			}
			return bot
		}), []string{"warn JWKS answer|refused to one client and given to another|bot filter", "ok token"}},
		{"503 once", func(_ *testing.T, p *patient) { p.Fail(smarttest.JWKS, smarttest.Fault{Times: 1, Status: 503}) },
			[]string{"warn JWKS answer|could not be read at first, and then it could", "ok token"}},
		{"a redirect", func(t *testing.T, p *patient) {
			target := serve(t, p, p.served)
			p.serve(http.RedirectHandler(target, http.StatusFound))
		}, []string{"warn JWKS answer|redirects, in the end to 127.0.0.1|register the URL that has the keys itself", "ok JWKS key", "ok token"}},
		{"as text", text("text/plain", "max-age=300"), []string{`warn JWKS answer|"text/plain"|application/json`, "ok token"}},
		{"no caching header", text("application/json", ""), []string{"warn JWKS caching|no Cache-Control|max-age=300", "ok token"}},
		{"kept for long", text("application/json", "public, max-age=604800"), []string{"warn JWKS caching|168h|stolen key"}},
		{"not kept", text("application/json", "no-store"), []string{"ok JWKS caching|works at once"}},
		{"as a key set", text("application/jwk-set+json", "max-age=60"), []string{"ok JWKS answer|jwk-set+json", "ok JWKS caching|1m0s"}},
	})
}

func TestSlowJWKS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatient(t, smarttest.Options{InMemory: true}, smarttest.ClientOptions{})
		inner := p.served
		p.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(2100 * time.Millisecond)
			inner.ServeHTTP(w, r)
		}))
		must(t, diagnose(t, p), "warn JWKS answer|it took 2.1 s|make it faster", "ok token")
	})
}

// An https URL that leads to plain http is as good as plain http.
func TestJWKSRedirectToPlainHTTP(t *testing.T) {
	p := newPatient(t, smarttest.Options{}, smarttest.ClientOptions{})
	front := httptest.NewTLSServer(http.RedirectHandler(p.Options.JWKSURL, http.StatusFound))
	t.Cleanup(front.Close)
	p.Options.JWKSURL = front.URL + "/keys"
	p.Config.HTTPClient = front.Client()
	must(t, diagnose(t, p), "fail JWKS answer|redirects to plain http on 127.0.0.1", "skip JWKS key", "ok token")
}

// Each of the members that nobody must see is found.
func TestPrivateMembers(t *testing.T) {
	for _, name := range []string{"d", "p", "q", "dp", "dq", "qi", "oth", "k"} {
		t.Run(name, func(t *testing.T) {
			p := newPatient(t, smarttest.Options{}, smarttest.ClientOptions{})
			p.serveEdited(t, `"use":"sig"`, `"`+name+`":"marker"`)
			must(t, diagnose(t, p), "fail JWKS key|private half")
		})
	}
}

// text has the JWKS served with headers of choice.
func text(media, caching string) func(*testing.T, *patient) {
	return func(t *testing.T, p *patient) {
		set, err := jwks.Marshal(p.key)
		if err != nil {
			t.Fatal(err)
		}
		p.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", media)
			if caching != "" {
				w.Header().Set("Cache-Control", caching)
			}
			_, _ = w.Write(set)
		}))
	}
}

func TestJWKSKey(t *testing.T) {
	edit := func(old, text string) func(*testing.T, *patient) {
		return func(t *testing.T, p *patient) { p.serveEdited(t, old, text) }
	}
	set := func(keys string) func(*testing.T, *patient) {
		return func(_ *testing.T, p *patient) { p.serveText(keys) }
	}
	keys := func(of func(t *testing.T, p *patient) []jwks.Key) func(*testing.T, *patient) {
		return func(t *testing.T, p *patient) {
			var all []string
			for _, k := range of(t, p) {
				one, err := jwks.Marshal(k)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, strings.TrimSuffix(strings.TrimPrefix(string(one), `{"keys":[`), "]}"))
			}
			p.serveText(`{"keys":[` + strings.Join(all, ",") + "]}")
		}
	}
	other := func(t *testing.T, kid string) jwks.Key {
		return jwks.KeyOf(signerOf(t, newKey(t, elliptic.P384()), kid))
	}
	const refused = "fail token|401|- mend what failed above: JWKS key"
	run(t, smarttest.Options{}, smarttest.ClientOptions{}, []trial{
		{"no JSON", set("<html>"), []string{"fail JWKS key|no JWKS", refused}},
		{"one key, no set", set(`{"kty":"EC"}`), []string{"fail JWKS key|no JWKS", refused}},
		{"empty", set(`{"keys":[]}`), []string{"fail JWKS key|no key at all", refused}},
		{"private", edit(`"x":`, `"d":"marker","x":`), []string{"fail JWKS key|private half|take it down now", "ok token"}},
		{"another kid", keys(func(t *testing.T, _ *patient) []jwks.Key { return []jwks.Key{other(t, "2025-a"), other(t, "2025-b")} }),
			[]string{`fail JWKS key|is not in it, which has "2025-a", "2025-b"`, refused}},
		{"another key", keys(func(t *testing.T, p *patient) []jwks.Key { return []jwks.Key{other(t, p.key.KeyID)} }),
			[]string{"fail JWKS key|has our kid there is another", refused}},
		{"twice the kid, ours second", keys(func(t *testing.T, p *patient) []jwks.Key { return []jwks.Key{other(t, p.key.KeyID), p.key} }),
			[]string{"fail JWKS key|2 keys with our kid, and the first is another", refused}},
		{"twice the kid, ours first", keys(func(t *testing.T, p *patient) []jwks.Key { return []jwks.Key{p.key, other(t, p.key.KeyID)} }),
			[]string{"warn JWKS key|2 keys with our kid", "ok token"}},
		{"no kid", edit(`"kid":`, `"name":`), []string{`fail JWKS key|is not in it, which has ""`, refused}},
		{"one without kid besides", edit(`{"keys":[`, `{"keys":[{"kty":"EC"},`), []string{"warn JWKS key|one without kid", "ok token"}},
		{"for encryption", edit(`"use":"sig"`, `"use":"enc"`), []string{`fail JWKS key|use "enc"`, refused}},
		{"to sign with", edit(`"use":"sig"`, `"key_ops":["sign"]`), []string{"fail JWKS key|key_ops", "ok token"}},
		{"another alg", edit(`"use":"sig"`, `"alg":"RS384"`), []string{`fail JWKS key|alg "RS384" there, which it cannot do`, "ok token"}},
		{"a damaged key", edit(`"x":"`, `"x":"!`), []string{"fail JWKS key|is another than the one that signs", refused}},
	})
	run(t, smarttest.Options{}, smarttest.ClientOptions{RSA: true}, []trial{
		{"an alg that is not used", func(t *testing.T, p *patient) {
			p.Config.Algorithm = "RS512"
			p.serveEdited(t, `"use":"sig"`, `"alg":"RS384"`)
		}, []string{`warn JWKS key|alg "RS384" there, and assertions are signed with RS512`, "ok token"}},
		{"an alg that is not used, without Config.Algorithm", func(t *testing.T, p *patient) { p.serveEdited(t, `"use":"sig"`, `"alg":"RS384"`) },
			[]string{`warn JWKS key|alg "RS384" there, and assertions are signed with RS512`, "ok token"}},
		{"the alg that is used", func(t *testing.T, p *patient) { p.serveEdited(t, `"use":"sig"`, `"alg":"RS512"`) }, []string{"ok JWKS key"}},
	})
}
