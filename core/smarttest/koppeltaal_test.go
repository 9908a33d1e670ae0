package smarttest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

// row is one input of a token endpoint. Those with a clock need one that stands still.
type row struct {
	name   string
	client string // "app" if empty
	alg    string // RS384 if empty; the key goes by it
	edit   func(*draft)
	form   func(url.Values)
	clock  bool
	want   int
	code   string // error code, for servers that have one
}

func set(name string, v any) func(*draft)       { return func(d *draft) { d.claims[name] = v } }
func unset(name string) func(*draft)            { return func(d *draft) { delete(d.claims, name) } }
func setHeader(name string, v any) func(*draft) { return func(d *draft) { d.header[name] = v } }
func noKid(d *draft)                            { delete(d.header, "kid") }

func shift(name string, by time.Duration) func(*draft) {
	return func(d *draft) { d.claims[name] = time.Now().Add(by).Unix() }
}

func param(name string, values ...string) func(url.Values) {
	return func(form url.Values) {
		form[name] = values
		if len(values) == 0 {
			form.Del(name)
		}
	}
}

func koppeltaalRows() []row {
	const refused, bad = http.StatusUnauthorized, http.StatusBadRequest
	rows := []row{
		{name: "usual", want: 200},
		{name: "exp as digit string", edit: set("exp", fmt.Sprint(time.Now().Add(time.Hour*24*365*40).Unix())), want: 200},
		{name: "sub is not iss", edit: set("sub", "someone"), want: 200},
		{name: "numeric sub", edit: set("sub", 12), want: refused},
		{name: "numeric jti", edit: set("jti", 12), want: refused},
		{name: "aud is another URL", edit: set("aud", "http://auth.example.test/oauth2/token"), want: refused},
		{name: "aud with trailing slash", edit: func(d *draft) { d.claims["aud"] = d.claims["aud"].(string) + "/" }, want: refused},
		{name: "aud with another name of loopback", edit: func(d *draft) {
			d.claims["aud"] = strings.NewReplacer("localhost", "127.0.0.1", "127.0.0.1", "localhost").Replace(d.claims["aud"].(string))
		}, want: refused},
		{name: "aud is the issuer", edit: func(d *draft) {
			d.claims["aud"] = strings.TrimSuffix(d.claims["aud"].(string), "oauth2/token")
		}, want: refused},
		{name: "aud is an array of one", edit: func(d *draft) { d.claims["aud"] = []string{d.claims["aud"].(string)} }, want: refused},
		{name: "unknown client", client: "nobody", want: refused},
		{name: "client not approved", client: "pending", want: refused},
		{name: "wrong key", edit: func(d *draft) { d.key = otherRSA() }, want: refused},
		{name: "alg none", alg: "none", want: refused},
		{name: "garbage", form: param("client_assertion", "garbage"), want: refused},
		{name: "crit", edit: setHeader("crit", []string{"b64"}), want: refused},
		{name: "kid missing", edit: noKid, want: refused},
		{name: "kid unknown", edit: setHeader("kid", "unknown"), want: refused},
		{name: "JWK is for encryption", client: "enc", want: refused},
		{name: "JWK without kid", client: "nokid", want: refused},
		{name: "second of two keys with the same kid", client: "twice", want: refused},
		{name: "first of two keys with the same kid", client: "twice", edit: func(d *draft) { d.key = otherRSA() }, want: 200},
		{name: "JWKS not found", client: "lost", want: refused},
		{name: "PEM client with RS512", client: "pem", alg: "RS512", want: 200},
		{name: "PEM client with RS512 and no kid", client: "pem", alg: "RS512", edit: noKid, want: 200},
		{name: "typ missing", edit: func(d *draft) { delete(d.header, "typ") }, want: 200},
		{name: "client_assertion missing", form: param("client_assertion"), want: refused},
		{name: "client_assertion_type missing", form: param("client_assertion_type"), want: refused},
		{name: "client_assertion_type wrong", form: param("client_assertion_type", "jwt-bearer"), want: refused},
		{name: "grant_type missing", form: param("grant_type"), want: bad},
		{name: "grant_type password", form: param("grant_type", "password"), want: bad},
		{name: "grant_type refresh_token", form: param("grant_type", "refresh_token"), want: bad},
		{name: "grant_type authorization_code without code", form: param("grant_type", "authorization_code"), want: 500},
		{name: "scope of nonsense", form: param("scope", "non sense"), want: 200},
		{name: "scope missing", form: param("scope"), want: 200},
	}
	for _, claim := range []string{"iss", "aud", "jti"} {
		rows = append(rows, row{name: claim + " missing", edit: unset(claim), want: refused})
	}
	for _, claim := range []string{"exp", "iat", "sub"} {
		rows = append(rows, row{name: claim + " missing", edit: unset(claim), want: 200})
	}
	for alg, want := range map[string]int{"RS384": 200, "RS512": 200, "ES384": 200, "RS256": refused, "PS256": refused,
		"PS384": refused, "PS512": refused, "ES256": refused} {
		rows = append(rows, row{name: "JWKS client with " + alg, alg: alg, want: want})
	}
	for _, alg := range []string{"RS256", "RS384", "PS512", "ES384"} {
		rows = append(rows, row{name: "PEM client with " + alg, client: "pem", alg: alg, want: refused})
	}
	for _, times := range []struct {
		claim   string
		seconds []int
		want    int
	}{
		{"iat", []int{1, 2, 5, 60}, refused}, {"nbf", []int{1, 5, 60}, refused}, {"exp", []int{-60, -1, 0}, refused},
		{"exp", []int{1, 3600, 365 * 24 * 3600}, 200}, {"iat", []int{0, -3600}, 200}, {"nbf", []int{0, -1}, 200},
	} {
		for _, n := range times.seconds {
			rows = append(rows, row{name: fmt.Sprintf("%s %+d s", times.claim, n), clock: true,
				edit: shift(times.claim, time.Duration(n)*time.Second), want: times.want})
		}
	}
	return rows
}

func registerAll(s *smarttest.Server) {
	register(s)
	public := func(kid, use string) smarttest.Key {
		return smarttest.Key{KeyID: kid, PublicKey: rsaKey().Public(), Use: use}
	}
	s.RegisterPEM("pem", rsaKey().Public())
	s.RegisterJWKS("pending", public("rsa", "sig"))
	s.SetApproved("pending", false)
	s.RegisterJWKS("enc", public("rsa", "enc"))
	s.RegisterJWKS("nokid", public("", "sig"))
	s.RegisterJWKS("twice", smarttest.Key{KeyID: "rsa", PublicKey: otherRSA().Public()}, public("rsa", "sig"))
	s.RegisterJWKSURL("lost", s.JWKSURL("lost"))
}

func (c row) send(t *testing.T, s *smarttest.Server) answer {
	t.Helper()
	client, alg := c.client, c.alg
	if client == "" {
		client = "app"
	}
	if alg == "" {
		alg = "RS384"
	}
	d := newDraft(s, client, alg, "rsa", rsaKey())
	switch alg {
	case "ES384":
		d.key, d.header["kid"] = ecKey(), "ec"
	case "ES256":
		d.key, d.header["kid"] = p256Key(), "p256"
	}
	if c.edit != nil {
		c.edit(d)
	}
	form := tokenForm(d.sign())
	if c.form != nil {
		c.form(form)
	}
	return postForm(t, s, s.TokenURL(), form)
}

func (c row) checkKoppeltaal(t *testing.T, s *smarttest.Server) {
	t.Helper()
	a := c.send(t, s)
	if a.status != c.want {
		all := s.Assertions()
		t.Errorf("%s: %d, want %d (%s)", c.name, a.status, c.want, all[len(all)-1].Refusal)
	}
	contentType, body := a.header.Get("Content-Type"), a.body
	switch a.status {
	case 200:
		if contentType != "application/json" {
			t.Errorf("%s: Content-Type %q", c.name, contentType)
		}
	case 400, 401:
		want := map[int]string{400: "Bad Request", 401: "Access Denied"}[a.status]
		if contentType != "text/html; charset=utf-8" || body != want {
			t.Errorf("%s: %q %q", c.name, contentType, body)
		}
	case 500:
		if contentType != "text/html; charset=utf-8" || !strings.Contains(body, "<h1>Internal Server Error</h1>") {
			t.Errorf("%s: %q %q", c.name, contentType, body)
		}
	}
	if _, err := http.ParseTime(a.header.Get("Date")); err != nil {
		t.Errorf("%s: Date: %v", c.name, err)
	}
	for _, absent := range []string{"WWW-Authenticate", "Cache-Control", "Pragma"} {
		if a.header.Get(absent) != "" {
			t.Errorf("%s: sends %s", c.name, absent)
		}
	}
}

func TestKoppeltaalTokenEndpoint(t *testing.T) {
	t.Run("memory", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := smarttest.New(t, smarttest.Options{InMemory: true})
			registerAll(s)
			for _, c := range koppeltaalRows() {
				c.checkKoppeltaal(t, s)
			}
		})
	})
	t.Run("loopback", func(t *testing.T) {
		s := smarttest.New(t, smarttest.Options{})
		registerAll(s)
		for _, c := range koppeltaalRows() {
			if !c.clock {
				c.checkKoppeltaal(t, s)
			}
		}
	})
}
