package smarttest_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

func decode(t *testing.T, token string) jwt.MapClaims {
	t.Helper()
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func smartRows() []row {
	const client = "invalid_client"
	rows := []row{
		{name: "usual", want: 200},
		{name: "ES384", alg: "ES384", want: 200},
		{name: "not advertised", alg: "RS512", want: 401, code: client},
		{name: "ES256", alg: "ES256", want: 401, code: client},
		{name: "typ missing", edit: func(d *draft) { delete(d.header, "typ") }, want: 401, code: client},
		{name: "typ other", edit: setHeader("typ", "client-authentication+jwt"), want: 401, code: client},
		{name: "kid missing", edit: noKid, want: 401, code: client},
		{name: "kid unknown", edit: setHeader("kid", "x"), want: 401, code: client},
		{name: "jku of another", edit: setHeader("jku", "http://keys.example.test"), want: 401, code: client},
		{name: "unknown client", client: "nobody", want: 401, code: client},
		{name: "not approved", client: "pending", want: 401, code: client},
		{name: "wrong key", edit: func(d *draft) { d.key = otherRSA() }, want: 401, code: client},
		{name: "JWKS lost", client: "lost", want: 401, code: client},
		{name: "garbage", form: param("client_assertion", "garbage"), want: 401, code: client},
		{name: "sub is not iss", edit: set("sub", "x"), want: 401, code: client},
		{name: "aud array", edit: func(d *draft) { d.claims["aud"] = []string{d.claims["aud"].(string)} }, want: 401, code: client},
		{name: "exp as string", edit: set("exp", "99999999999"), want: 401, code: client},
		{name: "exp 5 min", edit: shift("exp", 5*time.Minute), clock: true, want: 200},
		{name: "exp 5 min 1 s", edit: shift("exp", 301*time.Second), clock: true, want: 401, code: client},
		{name: "expired", edit: shift("exp", 0), clock: true, want: 401, code: client},
		{name: "iat ahead", edit: shift("iat", time.Second), clock: true, want: 401, code: client},
		{name: "assertion missing", form: param("client_assertion"), want: 400, code: "invalid_request"},
		{name: "assertion type missing", form: param("client_assertion_type"), want: 400, code: "invalid_request"},
		{name: "parameter repeated", form: param("scope", "system/*.rs", "system/*.rs"), want: 400, code: "invalid_request"},
		{name: "grant missing", form: param("grant_type"), want: 400, code: "invalid_request"},
		{name: "grant password", form: param("grant_type", "password"), want: 400, code: "unsupported_grant_type"},
		{name: "scope missing", form: param("scope"), want: 400, code: "invalid_scope"},
		{name: "scope blank", form: param("scope", " "), want: 400, code: "invalid_scope"},
		{name: "scope of users", form: param("scope", "user/*.rs"), want: 400, code: "invalid_scope"},
		{name: "scope not of the role", client: "narrow", form: param("scope", "system/Task.rs"), want: 400, code: "invalid_scope"},
	}
	for _, claim := range []string{"iss", "sub", "aud", "jti", "exp"} {
		rows = append(rows, row{name: claim + " missing", edit: unset(claim), want: 401, code: client})
	}
	return append(rows, row{name: "iat missing", edit: unset("iat"), want: 200})
}

func TestSMARTTokenEndpoint(t *testing.T) {
	check := func(t *testing.T, s *smarttest.Server, c row) {
		t.Helper()
		a := c.send(t, s)
		if a.status != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, a.status, a.body, c.want)
			return
		}
		response := a.json(t)
		if code, _ := response["error"].(string); code != c.code {
			t.Errorf("%s: error %q, want %q", c.name, code, c.code)
		}
		if a.header.Get("Cache-Control") != "no-store" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v", c.name, a.header)
		}
		if _, err := http.ParseTime(a.header.Get("Date")); err != nil {
			t.Errorf("%s: Date: %v", c.name, err)
		}
		if a.status == 200 && (response["scope"] != "system/*.rs" || response["token_type"] != "bearer") {
			t.Errorf("%s: %v", c.name, response)
		}
	}
	prepare := func(s *smarttest.Server) {
		registerAll(s)
		s.RegisterJWKS("narrow", smarttest.Key{KeyID: "rsa", PublicKey: rsaKey().Public()})
		s.SetRole("narrow", "system/Patient.rs")
	}
	synctest.Test(t, func(t *testing.T) {
		s := smarttest.New(t, smarttest.Options{Profile: smarttest.SMART, InMemory: true})
		prepare(s)
		for _, c := range smartRows() {
			check(t, s, c)
		}
	})
	s := smarttest.New(t, smarttest.Options{Profile: smarttest.SMART})
	prepare(s)
	for _, c := range smartRows() {
		if !c.clock {
			check(t, s, c)
		}
	}
}

func TestSMARTRequestForms(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{Profile: smarttest.SMART})
	register(s)
	form := tokenForm(newDraft(s, "app", "ES384", "ec", ecKey()).sign()).Encode()
	for _, c := range []struct{ name, query, contentType, authorization, body string }{
		{"query", "?" + form, "application/x-www-form-urlencoded", "", ""},
		{"JSON", "", "application/json", "", "{}"},
		{"second authentication", "", "application/x-www-form-urlencoded", "Basic YTpi", form},
	} {
		r := must(http.NewRequest(http.MethodPost, s.TokenURL()+c.query, strings.NewReader(c.body)))
		r.Header.Set("Content-Type", c.contentType)
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		if a := do(t, s, r); a.status != 400 || a.json(t)["error"] != "invalid_request" {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
}

func TestSMARTGrantedScope(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{Profile: smarttest.SMART})
	register(s)
	for _, c := range []struct{ role, asked, granted string }{
		{"system/*.cruds", "system/Patient.read", "system/Patient.read"},
		{"system/Patient.rs", "system/*.rs", "system/Patient.rs"},
		{"system/Patient.r", "system/Patient.cruds", "system/Patient.r"},
		{"system/Patient.rs system/Task.rs", "system/Task.s user", ""},
		{"system/Patient.rs system/Task.rs", "system/Task.s system/Observation.r", "system/Task.s"},
		{"system/Task.rs?owner=a", "system/Task.r", "system/Task.r?owner=a"},
		{"system/*.cruds", "system/Patient.sr", ""},
	} {
		s.SetRole("app", strings.Fields(c.role)...)
		a := row{form: func(f url.Values) { f.Set("scope", c.asked) }}.send(t, s)
		if got, _ := a.json(t)["scope"].(string); got != c.granted {
			t.Errorf("%s of %s: %s, want %q", c.asked, c.role, a.body, c.granted)
		}
	}
}

func TestSMARTAlgorithmsOption(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{Profile: smarttest.SMART, Algorithms: []string{"PS512"}})
	register(s)
	doc := get(t, s, s.BaseURL()+"/.well-known/smart-configuration", "").json(t)
	if got := fmt.Sprint(doc["token_endpoint_auth_signing_alg_values_supported"]); got != "[PS512]" {
		t.Error(got)
	}
	if a := (row{alg: "PS512"}).send(t, s); a.status != 200 {
		t.Error(a)
	}
	if a := (row{alg: "RS384"}).send(t, s); a.status != 401 {
		t.Error(a)
	}
}
