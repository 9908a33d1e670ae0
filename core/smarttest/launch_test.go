package smarttest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

const codeVerifier = "a-verifier-that-nobody-guesses-since-it-is-so-long"

func authorizationForm(s *smarttest.Server, launch string) url.Values {
	sum := sha256.Sum256([]byte(codeVerifier))
	return url.Values{"response_type": {"code"}, "client_id": {"app"}, "redirect_uri": {"https://app.example.nl/back?a=b"}, "launch": {launch},
		"scope": {"launch openid fhirUser"}, "state": {"state-1"}, "aud": {s.BaseURL()},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}}
}

// authorize posts the form as a browser does, and returns the answer with the query that the browser is sent back with.
func authorize(t *testing.T, s *smarttest.Server, form url.Values) (answer, url.Values) {
	t.Helper()
	r := must(http.NewRequest(http.MethodPost, s.AuthorizationURL(), strings.NewReader(form.Encode())))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.Transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	location := must(url.Parse(resp.Header.Get("Location")))
	return answer{status: resp.StatusCode, header: resp.Header}, location.Query()
}

func codeForm(s *smarttest.Server, code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {"https://app.example.nl/back?a=b"},
		"code_verifier": {codeVerifier}, "client_assertion_type": {assertionType},
		"client_assertion": {newDraft(s, "app", "ES384", "ec", ecKey()).sign()}}
}

func TestLaunchBySMARTOnHTI(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	register(s)
	hti := s.LaunchToken("app", nil)
	a, back := authorize(t, s, authorizationForm(s, hti))
	if a.status != http.StatusFound || !strings.HasPrefix(a.header.Get("Location"), "https://app.example.nl/back?") ||
		back.Get("state") != "state-1" || back.Get("a") != "b" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	got := postForm(t, s, s.TokenURL(), codeForm(s, back.Get("code"))).json(t)
	for name, want := range map[string]any{"access_token": "NOOP", "sub": "Patient/patient-1", "patient": "Patient/patient-1", "resource": "Task/task-1",
		"definition": "https://module.example.nl/ActivityDefinition/sleep", "intent": "plan", "scope": "launch openid fhirUser", "expires_in": 300.0} {
		if got[name] != want {
			t.Errorf("%s is %v", name, got[name])
		}
	}
	if strings.Count(got["id_token"].(string), ".") != 2 {
		t.Error("no id_token")
	}
	if got := introspect(t, s, s.TokenURL(), hti).json(t); got["active"] != false {
		t.Error("the authorization did not use up the HTI token")
	}
	if c := s.Counts(); c.Authorizations != 1 || c.TokensIssued != 0 {
		t.Errorf("%+v", c)
	}
}

func TestAuthorizationsThatAreRefused(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	register(s)
	s.RegisterJWKS("pending", smarttest.Key{KeyID: "rsa", PublicKey: rsaKey().Public()})
	s.SetApproved("pending", false)
	used := s.LaunchToken("app", nil)
	authorize(t, s, authorizationForm(s, used))
	for name, c := range map[string]struct {
		change func(url.Values)
		status int
	}{
		"response_type token":     {param("response_type", "token"), 400},
		"no scope launch":         {param("scope", "openid"), 400},
		"no scope openid":         {param("scope", "launch"), 400},
		"aud of another server":   {param("aud", "https://fhir.example.nl"), 400},
		"relative redirect_uri":   {param("redirect_uri", "/back"), 400},
		"plain challenge":         {param("code_challenge_method", "plain"), 400},
		"unknown client":          {param("client_id", "nobody"), 401},
		"client not approved":     {param("client_id", "pending"), 401},
		"no launch":               {param("launch"), 401},
		"garbage":                 {param("launch", "garbage"), 401},
		"launch used before":      {param("launch", used), 401},
		"launch of another app":   {param("launch", s.LaunchToken("other", nil)), 401},
		"expired launch":          {param("launch", s.LaunchToken("app", func(c map[string]any) { c["exp"] = time.Now().Unix() - 1 })), 401},
		"assertion for a launch":  {param("launch", newDraft(s, "app", "ES384", "ec", ecKey()).sign()), 401},
		"PKCE is optional":        {param("code_challenge"), 302},
		"so is state":             {param("state"), 302},
		"any redirect_uri passes": {param("redirect_uri", "https://elsewhere.example.nl"), 302},
	} {
		form := authorizationForm(s, s.LaunchToken("app", nil))
		c.change(form)
		if a, _ := authorize(t, s, form); a.status != c.status {
			t.Errorf("%s: %d, want %d", name, a.status, c.status)
		}
	}
}

func TestCodesThatAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smarttest.New(t, smarttest.Options{InMemory: true})
		register(s)
		s.RegisterJWKS("other", smarttest.Key{KeyID: "ec", PublicKey: ecKey().Public()})
		for _, c := range []struct {
			name   string
			change func(url.Values)
		}{
			{"unknown code", param("code", "unknown")},
			{"another redirect_uri", param("redirect_uri", "https://app.example.nl/back")},
			{"no redirect_uri", param("redirect_uri")},
			{"another verifier", param("code_verifier", codeVerifier+"x")},
			{"no verifier", param("code_verifier")},
			{"another client", param("client_assertion", newDraft(s, "other", "ES384", "ec", ecKey()).sign())},
			{"late", func(form url.Values) {
				time.Sleep(10 * time.Minute)
				form.Set("client_assertion", newDraft(s, "app", "ES384", "ec", ecKey()).sign())
			}},
		} {
			_, back := authorize(t, s, authorizationForm(s, s.LaunchToken("app", nil)))
			form := codeForm(s, back.Get("code"))
			c.change(form)
			if a := postForm(t, s, s.TokenURL(), form); a.status != 401 || a.body != "Access Denied" {
				t.Errorf("%s: %+v", c.name, a)
			}
			if a := postForm(t, s, s.TokenURL(), codeForm(s, back.Get("code"))); a.status != 401 && c.name != "unknown code" {
				t.Errorf("%s: and then the code works: %+v", c.name, a)
			}
		}
	})
}

func TestSMARTHasNoAuthorizationEndpoint(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{Profile: smarttest.SMART})
	if a := get(t, s, s.AuthorizationURL(), ""); a.status != http.StatusNotFound {
		t.Errorf("%+v", a)
	}
}
