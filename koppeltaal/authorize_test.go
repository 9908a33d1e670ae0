package koppeltaal_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"errors"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

const back = "https://app.example.nl/back"

// browse does what a browser does with the page of WriteForm, and returns the query that it comes back to the application with.
func (s *sandbox) browse(t *testing.T, a *koppeltaal.Authorization) url.Values {
	t.Helper()
	var page strings.Builder
	if err := a.WriteForm(&page, "nonce-1"); err != nil {
		t.Fatal(err)
	}
	action := regexp.MustCompile(`<form method="post" action="([^"]+)">`).FindStringSubmatch(page.String())
	if action == nil || !strings.Contains(page.String(), `<script nonce="nonce-1">`) {
		t.Fatal(page.String())
	}
	fields := url.Values{}
	for _, f := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`).FindAllStringSubmatch(page.String(), -1) {
		fields.Add(html.UnescapeString(f[1]), html.UnescapeString(f[2]))
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, html.UnescapeString(action[1]), strings.NewReader(fields.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := s.Transport().RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	location, err := resp.Location()
	if err != nil || !strings.HasPrefix(location.String(), back+"?") {
		t.Fatalf("%s: %v %v", resp.Status, location, err)
	}
	return location.Query()
}

func (s *sandbox) authorize(t *testing.T) (*koppeltaal.Authorization, url.Values) {
	t.Helper()
	a, err := s.client.Authorize(t.Context(), s.LaunchToken(s.src.ClientID(), nil), back)
	if err != nil {
		t.Fatal(err)
	}
	return a, s.browse(t, a)
}

// secrets are what MarshalBinary stores.
func secrets(t *testing.T, a *koppeltaal.Authorization) (kept map[string]string) {
	t.Helper()
	if err := json.Unmarshal(must(a.MarshalBinary()), &kept); err != nil {
		t.Fatal(err)
	}
	return kept
}

// stored returns what a session that gob encodes has of a later, with a change.
func stored(t *testing.T, a *koppeltaal.Authorization, change func(kept map[string]string)) *koppeltaal.Authorization {
	t.Helper()
	var session bytes.Buffer
	var kept koppeltaal.Authorization
	if err := errors.Join(gob.NewEncoder(&session).Encode(a), gob.NewDecoder(&session).Decode(&kept)); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		all := secrets(t, &kept)
		change(all)
		if err := kept.UnmarshalBinary(must(json.Marshal(all))); err != nil {
			t.Fatal(err)
		}
	}
	return &kept
}

func TestSMARTOnHTI(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		a, query := s.authorize(t)
		kept := stored(t, a, nil)
		if kept.WriteForm(io.Discard, "") == nil || kept.Fields() != nil {
			t.Error("a stored authorization has a form")
		}
		ctx := koppeltaal.WithTrace(t.Context(), served)
		session, err := s.client.ExchangeCode(ctx, kept, query.Get("code"), query.Get("state"))
		if err != nil {
			t.Fatal(err)
		}
		if session.Subject != "Patient/patient-1" || session.Patient != "Patient/patient-1" || session.Resource != "Task/task-1" || session.Intent != "plan" ||
			session.Definition != "https://module.example.nl/ActivityDefinition/sleep" || session.Scope != "launch openid fhirUser" ||
			session.ExpiresIn != 5*time.Minute || strings.Count(session.IDToken(), ".") != 2 {
			t.Errorf("%#v", session)
		}
		s.get(t, session.Trace(ctx))
		follows := koppeltaal.Trace{RequestID: served.RequestID, TraceID: secrets(t, a)["trace_id"]}
		mustFollow(t, s.idsOf(t, smarttest.TokenEndpoint), follows, 2)
		mustFollow(t, s.idsOf(t, smarttest.FHIR), follows, 1)
		if s.Requests(smarttest.FHIR)[0].Bearer() == "NOOP" {
			t.Error("NOOP is used as a bearer")
		}
		form, _ := url.ParseQuery(string(s.Requests(smarttest.Authorization)[0].Body))
		if form.Get("code_challenge_method") != "S256" || len(form.Get("code_challenge")) != 43 || form.Get("aud") != s.BaseURL() || form.Has("code_verifier") {
			t.Errorf("%v", form)
		}

		other, err := s.client.Authorize(t.Context(), "hti", back)
		if err != nil || other.State() == a.State() || secrets(t, other)["verifier"] == secrets(t, a)["verifier"] ||
			len(a.State()) < 22 || len(secrets(t, a)["verifier"]) < 43 {
			t.Errorf("%v: state or verifier can be guessed", err)
		}
		if _, err := s.client.ExchangeCode(ctx, kept, query.Get("code"), query.Get("state")); !refused(err) {
			t.Errorf("the same code a second time: %v", err)
		}
	})
}

func TestExchangesThatAreRefused(t *testing.T) {
	for name, c := range map[string]struct {
		change func(kept map[string]string, query url.Values)
		state  bool // and the server is not asked
	}{
		"another redirect URI":     {func(a map[string]string, _ url.Values) { a["redirect_uri"] += "/" }, false},
		"another verifier":         {func(a map[string]string, _ url.Values) { a["verifier"] = "x" }, false},
		"another code":             {func(_ map[string]string, query url.Values) { query.Set("code", "x") }, false},
		"another state":            {func(_ map[string]string, query url.Values) { query.Set("state", "x") }, true},
		"no state":                 {func(_ map[string]string, query url.Values) { query.Del("state") }, true},
		"no state on either side":  {func(a map[string]string, query url.Values) { a["state"] = ""; query.Del("state") }, true},
		"the state of another tab": {func(a map[string]string, _ url.Values) { a["state"] = "x" }, true},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, s *sandbox) {
				a, query := s.authorize(t)
				a = stored(t, a, func(kept map[string]string) { c.change(kept, query) })
				session, err := s.client.ExchangeCode(t.Context(), a, query.Get("code"), query.Get("state"))
				if session != nil || c.state != errors.Is(err, koppeltaal.ErrState) || !c.state && !refused(err) {
					t.Errorf("%v %v", session, err)
				}
				if n := s.Counts().TokenRequests; c.state != (n == 0) {
					t.Errorf("%d token requests", n)
				}
			})
		})
	}
	if _, err := (&koppeltaal.Client{}).ExchangeCode(t.Context(), nil, "code", ""); !errors.Is(err, koppeltaal.ErrState) {
		t.Error(err)
	}
}

func refused(err error) bool {
	var e *koppeltaal.Error
	return errors.As(err, &e) && e.StatusCode == http.StatusUnauthorized && e.Op == "exchange code"
}

// What becomes part of a FHIR URL is checked as it is in a launch by introspection.
func TestSessionsThatAreRefused(t *testing.T) {
	for body, why := range map[string]string{
		`{"sub":"Patient/1","patient":"Patient/1","resource":"Task/1"}`: "",
		`{"id_token":"x","resource":"Task/1"}`:                          "",
		`{}`:                                                            "who has launched",
		`{"sub":"Device/portal"}`:                                       "its sub",
		`{"sub":"Patient/1/../2"}`:                                      "its sub",
		`{"sub":"Patient/1","patient":"../../x"}`:                       "its patient",
		`{"sub":"Patient/1","patient":"Patient/2"}`:                     "different Patients",
		`{"sub":"Patient/1","resource":"https://evil.example/Task/1"}`:  "its resource",
		`{"id_token":"x","resource":"https://evil.example/Task/1"}`:     "its resource",
	} {
		inMemory(t, func(t *testing.T, s *sandbox) {
			a, query := s.authorize(t)
			s.get(t, t.Context())
			s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Body: body, Header: http.Header{"Content-Type": {"application/json"}}})
			session, err := s.client.ExchangeCode(t.Context(), a, query.Get("code"), query.Get("state"))
			var e *koppeltaal.Error
			switch {
			case why == "" && err != nil:
				t.Errorf("%s: %v", body, err)
			case why != "" && (session != nil || !errors.As(err, &e) || !strings.Contains(err.Error(), why)):
				t.Errorf("%s: %v %v", body, session, err)
			}
		})
	}
}

// Each caller of Fields has its own.
func TestFieldsAreCopied(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		a, _ := s.authorize(t)
		a.Fields().Set("launch", "x")
		a.Fields()["state"][0] = "x"
		if f := a.Fields(); f.Get("launch") == "x" || f.Get("state") != a.State() {
			t.Errorf("changed by a caller: state %q", f.Get("state"))
		}
	})
}

// A launch's answer to a token request is no token: neither this package nor the source hands NOOP out.
func TestNOOPIsNoToken(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Body: `{"access_token":"NOOP","token_type":"Bearer","expires_in":300,"sub":"Patient/1"}`})
		if token, err := s.src.Token(t.Context()); err == nil {
			t.Errorf("%v %q", token, token.AccessToken())
		}
	})
}

func TestAuthorizationEndpoints(t *testing.T) {
	for name, c := range map[string]struct {
		endpoint any
		ok       bool
	}{
		"https":                  {"https://login.example.nl/authorize", true},
		"loopback":               {"http://127.0.0.1:8082/authorize", true},
		"none":                   {nil, false},
		"plain http":             {"http://login.example.nl/authorize", false},
		"javascript":             {"javascript:alert(1)", false},
		"with a password":        {"https://u:p@login.example.nl/authorize", false},
		"within the FHIR server": {"/oauth2/authorize", true},
	} {
		inMemory(t, func(t *testing.T, s *sandbox) {
			s.SetDiscovery(func(doc map[string]any) { doc["authorization_endpoint"] = c.endpoint })
			if _, err := s.client.Authorize(t.Context(), "hti", back); (err == nil) != c.ok {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	inMemory(t, func(t *testing.T, s *sandbox) {
		for _, args := range [][2]string{{"", back}, {"hti", ""}} {
			if _, err := s.client.Authorize(t.Context(), args[0], args[1]); err == nil {
				t.Errorf("%q passes", args)
			}
		}
	})
}
