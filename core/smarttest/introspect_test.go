package smarttest_test

import (
	"net/url"
	"testing"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

// introspect has "app" introspect a token by an assertion for aud.
func introspect(t *testing.T, s *smarttest.Server, aud, token string) answer {
	t.Helper()
	d := newDraft(s, "app", "ES384", "ec", ecKey())
	d.claims["aud"] = aud
	form := url.Values{"client_assertion_type": {assertionType}, "client_assertion": {d.sign()}}
	if token != "" {
		form.Set("token", token)
	}
	return postForm(t, s, s.IntrospectionURL(), form)
}

// launch returns an HTI token of "portal".
func launch(s *smarttest.Server, aud any) string {
	d := newDraft(s, "portal", "RS512", "p", rsaKey())
	d.claims["aud"], d.claims["sub"], d.claims["resource"] = aud, "Patient/patient-1", "Task/task-1"
	return d.sign()
}

func introspectionSandbox(t *testing.T, opts smarttest.Options) *smarttest.Server {
	s := smarttest.New(t, opts)
	register(s)
	s.RegisterJWKS("portal", smarttest.Key{KeyID: "p", PublicKey: rsaKey().Public()})
	return s
}

func TestIntrospectionOfTheReferenceServer(t *testing.T) {
	s := introspectionSandbox(t, smarttest.Options{})
	if a := introspect(t, s, s.IntrospectionURL(), "x"); a.status != 401 || a.body != "Access Denied" {
		t.Errorf("aud of TOP-KT-021: %+v", a)
	}
	hti := launch(s, "Device/app")
	if got := introspect(t, s, s.TokenURL(), hti).json(t); got["active"] != true || got["sub"] != "Patient/patient-1" || got["resource"] != "Task/task-1" {
		t.Errorf("launch token: %v", got)
	}
	portal := newDraft(s, "portal", "RS512", "p", rsaKey()).sign()
	for _, c := range []struct {
		name, token string
		status      int
		active      bool
	}{
		{"the same again", hti, 200, false},
		{"for another device", launch(s, "Device/other"), 200, false},
		{"access token", accessToken(t, s), 200, false},
		{"another client's assertion", portal, 200, true},
		{"array aud", launch(s, []string{"Device/app"}), 500, false},
		{"garbage", "garbage", 500, false},
		{"none", "", 400, false},
	} {
		a := introspect(t, s, s.TokenURL(), c.token)
		if a.status != c.status || c.status == 200 && a.json(t)["active"] != c.active {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
	}
	if n := s.Counts().Introspections; n != 9 {
		t.Errorf("%d introspections", n)
	}
}

func TestIntrospectionOfTheTopic(t *testing.T) {
	s := introspectionSandbox(t, smarttest.Options{IntrospectionAudience: smarttest.EndpointAudience})
	if a := introspect(t, s, s.TokenURL(), launch(s, "Device/app")); a.status != 401 {
		t.Errorf("aud of the token endpoint: %+v", a)
	}
	token := accessToken(t, s)
	for name, c := range map[string]struct {
		token  string
		active bool
	}{
		"launch token":               {launch(s, "Device/app"), true},
		"access token":               {token, true},
		"another client's assertion": {newDraft(s, "portal", "RS512", "p", rsaKey()).sign(), false},
	} {
		if a := introspect(t, s, s.IntrospectionURL(), c.token); a.status != 200 || a.json(t)["active"] != c.active {
			t.Errorf("%s: %+v", name, a)
		}
	}
	s.RevokeAll()
	if a := introspect(t, s, s.IntrospectionURL(), token); a.json(t)["active"] != false {
		t.Errorf("revoked: %+v", a)
	}
}

func TestIntrospectionSMART(t *testing.T) {
	s := introspectionSandbox(t, smarttest.Options{Profile: smarttest.SMART})
	if a := introspect(t, s, "http://x.example.test", "x"); a.status != 401 || a.json(t)["error"] != "invalid_client" {
		t.Errorf("%+v", a)
	}
	if a := introspect(t, s, s.TokenURL(), ""); a.status != 400 || a.json(t)["error"] != "invalid_request" {
		t.Errorf("%+v", a)
	}
	if a := introspect(t, s, s.TokenURL(), "garbage"); a.status != 200 || a.json(t)["active"] != false {
		t.Errorf("%+v", a)
	}
	if a := introspect(t, s, s.TokenURL(), accessToken(t, s)); a.json(t)["active"] != true {
		t.Errorf("%+v", a)
	}
}
