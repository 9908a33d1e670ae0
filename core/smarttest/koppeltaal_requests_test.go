package smarttest_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha512"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestKoppeltaalSubsecondClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smarttest.New(t, smarttest.Options{InMemory: true})
		register(s)
		time.Sleep(700 * time.Millisecond)
		ahead := newDraft(s, "app", "ES384", "ec", ecKey())
		ahead.claims["iat"] = time.Now().Add(600 * time.Millisecond).Unix() // in the next second already
		if a := postForm(t, s, s.TokenURL(), tokenForm(ahead.sign())); a.status != 401 {
			t.Errorf("a clock 0.6 s ahead: %d", a.status)
		}
		behind := newDraft(s, "app", "ES384", "ec", ecKey())
		if a := postForm(t, s, s.TokenURL(), tokenForm(behind.sign())); a.status != 200 {
			t.Errorf("the same clock: %d", a.status)
		}
	})
}

func TestKoppeltaalRequestForms(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	register(s)
	form := func() string { return tokenForm(newDraft(s, "app", "ES384", "ec", ecKey()).sign()).Encode() }
	const urlencoded = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		name, method, suffix, contentType string
		body                              io.Reader
		want                              int
	}{
		{"charset", "POST", "", urlencoded + "; charset=utf-8", strings.NewReader(form()), 200},
		{"chunked", "POST", "", urlencoded, struct{ io.Reader }{strings.NewReader(form())}, 200},
		{"query", "POST", "?" + form(), "", nil, 200},
		{"JSON", "POST", "", "application/json", strings.NewReader(`{"grant_type":"client_credentials"}`), 401},
		{"no Content-Type", "POST", "", "", strings.NewReader(form()), 401},
		{"GET", "GET", "", "", nil, 405},
		{"PUT", "PUT", "", urlencoded, strings.NewReader(form()), 405},
		{"trailing slash", "POST", "/", urlencoded, strings.NewReader(form()), 404},
	} {
		r := must(http.NewRequest(c.method, s.TokenURL()+c.suffix, c.body))
		r.Header.Set("Accept", "application/json")
		if c.contentType != "" {
			r.Header.Set("Content-Type", c.contentType)
		}
		a := do(t, s, r)
		if a.status != c.want {
			t.Errorf("%s: %d, want %d", c.name, a.status, c.want)
		}
		if a.status >= 400 && a.header.Get("Content-Type") != "text/html; charset=utf-8" {
			t.Errorf("%s: Content-Type %q", c.name, a.header.Get("Content-Type"))
		}
		if a.status == 401 && a.body != "Access Denied" {
			t.Errorf("%s: body %q", c.name, a.body)
		}
		if _, err := http.ParseTime(a.header.Get("Date")); err != nil {
			t.Errorf("%s: Date: %v", c.name, err)
		}
	}
}

func TestKoppeltaalBurnsJTIBeforeSignature(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	registerAll(s)
	jti := uuid.NewString()
	forged := newDraft(s, "app", "RS384", "rsa", otherRSA())
	forged.claims["jti"] = jti
	for _, client := range []string{"app", "pem"} { // the jti of one client is used up for all
		honest := newDraft(s, client, "RS512", "rsa", rsaKey())
		honest.claims["jti"] = jti
		for _, d := range []*draft{forged, honest} {
			if a := postForm(t, s, s.TokenURL(), tokenForm(d.sign())); a.status != 401 {
				t.Errorf("%s: %d", client, a.status)
			}
		}
	}
}

func TestManyAssertionsConcurrently(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	register(s)
	var wg sync.WaitGroup
	for range 50 {
		form := tokenForm(newDraft(s, "app", "ES384", "ec", ecKey()).sign())
		wg.Go(func() {
			if a := postForm(t, s, s.TokenURL(), form); a.status != 200 {
				t.Errorf("%d %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	if c := s.Counts(); c.TokensIssued != 50 || c.TokenRequests != 50 {
		t.Errorf("%+v", c)
	}
}

func TestOneAssertionConcurrently(t *testing.T) {
	for _, profile := range []smarttest.Profile{smarttest.Koppeltaal, smarttest.SMART} {
		s := smarttest.New(t, smarttest.Options{Profile: profile})
		register(s)
		form := tokenForm(newDraft(s, "app", "ES384", "ec", ecKey()).sign())
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { postForm(t, s, s.TokenURL(), form) })
		}
		wg.Wait()
		if c := s.Counts(); c.TokensIssued != 1 || c.TokensRefused != 19 || c.TokenRequests != 20 {
			t.Errorf("%v: %+v", profile, c)
		}
	}
}

func TestKoppeltaalSuccess(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	register(s)
	s.SetRole("app", "system/Patient.cruds", "system/Task.rus?resource-origin=Device/app")
	send := func() map[string]any {
		return row{alg: "ES384", form: param("scope", "*")}.send(t, s).json(t)
	}
	response := send()
	if response["token_type"] != "Bearer" || response["expires_in"] != 300.0 ||
		response["scope"] != "system/Patient.cruds system/Task.rus?resource-origin=Device/app" || response["refresh_token"] != nil {
		t.Errorf("%v", response)
	}
	claims := decode(t, response["access_token"].(string))
	if claims["iss"] != s.AuthOrigin() || claims["azp"] != "app" || claims["aud"] != "fhir-server" || claims["type"] != "access" ||
		claims["nonce"] == "" || claims["iat"] != claims["nbf"] || claims["exp"].(float64)-claims["iat"].(float64) != 300 {
		t.Errorf("%v", claims)
	}
	if _, has := claims["sub"]; has {
		t.Error("the token has a sub")
	}

	s.SetRole("app")
	response = send()
	if _, has := response["scope"]; has {
		t.Error("a client without a role has a scope")
	}
	if claims := decode(t, response["access_token"].(string)); claims["scope"] != "" {
		t.Errorf("scope claim %q", claims["scope"])
	}
}

func TestAudienceOption(t *testing.T) {
	const audience = "http://auth-service.example.test/oauth2/token"
	s := smarttest.New(t, smarttest.Options{Audience: audience})
	register(s)
	if a := (row{}).send(t, s); a.status != 401 {
		t.Errorf("its own URL: %d", a.status)
	}
	if a := (row{edit: set("aud", audience)}).send(t, s); a.status != 200 {
		t.Errorf("the audience configured: %d", a.status)
	}
	all := s.Assertions()
	if !strings.Contains(all[0].Refusal, audience) || all[0].Accepted || !all[1].Accepted || all[1].Refusal != "" {
		t.Errorf("%+v", all)
	}
}

func TestAlgorithmGoesWithCurve(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	register(s)
	signed := newDraft(s, "app", "ES384", "p256", ecKey()).sign()
	input := signed[:strings.LastIndex(signed, ".")]
	digest := sha512.Sum384([]byte(input))
	r, v, err := ecdsa.Sign(rand.Reader, p256Key(), digest[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := make([]byte, 96)
	r.FillBytes(sig[:48])
	v.FillBytes(sig[48:])
	if a := postForm(t, s, s.TokenURL(), tokenForm(input+"."+base64.RawURLEncoding.EncodeToString(sig))); a.status != 401 {
		t.Errorf("ES384 by a P-256 key: %d", a.status)
	}
}
