package smarttest_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestFHIRInteractions(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	register(s)
	token := accessToken(t, s)
	base := s.BaseURL()

	bundle := get(t, s, base+"/Patient?_count=2", token).json(t)
	if bundle["type"] != "searchset" || bundle["total"] != 3.0 || len(bundle["entry"].([]any)) != 2 {
		t.Fatalf("%v", bundle)
	}
	next := bundle["link"].([]any)[1].(map[string]any)["url"].(string)
	if bundle = get(t, s, next, token).json(t); len(bundle["entry"].([]any)) != 1 || len(bundle["link"].([]any)) != 1 {
		t.Errorf("the next page: %v", bundle)
	}
	if bundle = get(t, s, base+"/Patient?_id=patient-2,nobody", token).json(t); bundle["total"] != 1.0 {
		t.Errorf("by _id: %v", bundle)
	}
	if bundle = get(t, s, base+"/Device", token).json(t); bundle["total"] != 0.0 || bundle["entry"] != nil {
		t.Errorf("none: %v", bundle)
	}

	made := send(t, s, "POST", base+"/Patient", token, `{"resourceType":"Patient","active":false}`)
	id, _ := made.json(t)["id"].(string)
	if made.status != 201 || made.header.Get("Location") != base+"/Patient/"+id+"/_history/1" ||
		!strings.HasPrefix(made.header.Get("Content-Type"), "application/fhir+json") {
		t.Fatalf("%+v", made)
	}
	update := func(match string) answer {
		r := must(http.NewRequest("PUT", base+"/Patient/"+id, strings.NewReader(`{"resourceType":"Patient","id":"`+id+`","active":true}`)))
		r.Header = http.Header{"Authorization": {"Bearer " + token}, "If-Match": {match}}
		return do(t, s, r)
	}
	if a := update(""); a.status != 412 {
		t.Errorf("without If-Match: %d", a.status)
	}
	if a := update(`W/"2"`); a.status != 412 {
		t.Errorf("another version: %d", a.status)
	}
	if a := update(made.header.Get("ETag")); a.status != 200 || a.header.Get("ETag") != `W/"2"` {
		t.Errorf("%+v", a)
	}
	if read := get(t, s, base+"/Patient/"+id, token); read.status != 200 || read.json(t)["active"] != true {
		t.Errorf("%+v", read)
	}

	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/Patient/nobody", "", 404}, {"GET", "/", "", 404}, {"GET", "/patient", "", 404}, {"GET", "/Patient?_count=x", "", 400},
		{"GET", "/Observation", "", 403}, {"DELETE", "/Patient/patient-1", "", 405}, {"POST", "/Patient", "no JSON", 400},
		{"POST", "/Patient", `{"resourceType":"Task"}`, 400}, {"PUT", "/Patient/a", `{"resourceType":"Patient","id":"b"}`, 400},
		{"PUT", "/Patient/own-id", `{"resourceType":"Patient","id":"own-id"}`, 201}, {"POST", "/Patient/_search", "", 200},
	} {
		a := send(t, s, c.method, base+c.path, token, c.body)
		if a.status != c.want {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, a.status, a.body, c.want)
		}
		if a.status >= 400 && a.json(t)["resourceType"] != "OperationOutcome" {
			t.Errorf("%s %s: %s", c.method, c.path, a.body)
		}
	}
	for header, want := range map[string]int{"Accept": 406, "Content-Type": 415} {
		r := must(http.NewRequest("POST", base+"/Patient", strings.NewReader(`{}`)))
		r.Header = http.Header{"Authorization": {"Bearer " + token}, header: {"text/turtle"}}
		if a := do(t, s, r); a.status != want {
			t.Errorf("%s: %d, want %d", header, a.status, want)
		}
	}
}

func TestFHIRRefusesTokens(t *testing.T) {
	for _, profile := range []smarttest.Profile{smarttest.Koppeltaal, smarttest.SMART} {
		s := smarttest.New(t, smarttest.Options{Profile: profile})
		register(s)
		token := accessToken(t, s)
		own := must(jwt.NewWithClaims(jwt.SigningMethodRS512, decode(t, token)).SignedString(rsaKey()))
		for name, bad := range map[string]string{"none": "", "garbage": "x", "signed by another": own} {
			a := get(t, s, s.BaseURL()+"/Patient", bad)
			challenge := a.header.Get("WWW-Authenticate")
			if a.status != 401 {
				t.Errorf("%v, %s: %d", profile, name, a.status)
			}
			if profile == smarttest.Koppeltaal {
				if challenge != "" || a.body != "Unauthorized" || !strings.HasPrefix(a.header.Get("Content-Type"), "text/plain") {
					t.Errorf("%s: %+v", name, a)
				}
				continue
			}
			if want := map[bool]string{true: "Bearer", false: `Bearer error="invalid_token"`}[bad == ""]; challenge != want {
				t.Errorf("%s: challenge %q", name, challenge)
			}
			if a.json(t)["resourceType"] != "OperationOutcome" {
				t.Errorf("%s: %s", name, a.body)
			}
		}
		hs := must(jwt.NewWithClaims(jwt.SigningMethodHS256, decode(t, token)).SignedString([]byte("x")))
		if a, want := get(t, s, s.BaseURL()+"/Patient", hs), map[smarttest.Profile]int{smarttest.SMART: 401, smarttest.Koppeltaal: 500}[profile]; a.status != want {
			t.Errorf("%v, unknown algorithm: %d", profile, a.status)
		}

		s.RevokeAll()
		if a := get(t, s, s.BaseURL()+"/Patient", token); a.status != 401 {
			t.Errorf("revoked: %d", a.status)
		}
		next := accessToken(t, s)
		if a := get(t, s, s.BaseURL()+"/Patient", next); a.status != 200 {
			t.Errorf("after that: %d", a.status)
		}
		s.AlwaysUnauthorized(true)
		if a := get(t, s, s.BaseURL()+"/Patient", next); a.status != 401 {
			t.Errorf("always: %d", a.status)
		}
		s.AlwaysUnauthorized(false)
		if a := get(t, s, s.BaseURL()+"/Patient", next); a.status != 200 {
			t.Errorf("no longer: %d", a.status)
		}
		if c := s.Counts(); c.FHIRUnauthorized < 5 || c.FHIR <= c.FHIRUnauthorized {
			t.Errorf("%+v", c)
		}
	}
}

func TestFHIRScopes(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	register(s)
	s.SetRole("app", "system/Patient.r", "system/Task.crs?resource-origin=Device/app,Device/b")
	token := accessToken(t, s)
	for path, want := range map[string]int{"/Patient/patient-1": 200, "/Patient": 403, "/Task": 200, "/Device": 403} {
		a := get(t, s, s.BaseURL()+path, token)
		if a.status != want || want == 403 && !strings.Contains(a.body, `"diagnostics":"Unauthorized"`) {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if a := get(t, s, s.BaseURL()+"/ImplementationGuide", ""); a.status != 200 {
		t.Errorf("what is open: %d", a.status)
	}
	s.SetRole("app")
	if a := get(t, s, s.BaseURL()+"/Task", accessToken(t, s)); a.status != 403 {
		t.Errorf("without a role: %d", a.status)
	}
}

func TestSMARTInsufficientScope(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{Profile: smarttest.SMART})
	register(s)
	a := send(t, s, "POST", s.BaseURL()+"/Task", accessToken(t, s), `{"resourceType":"Task"}`)
	if a.status != 403 || a.header.Get("WWW-Authenticate") != `Bearer error="insufficient_scope"` {
		t.Errorf("%+v", a)
	}
}

func TestTraceHeaders(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	for _, c := range []struct{ sent, request, correlation string }{{"abc-1", "abc-1", ""}, {"a/b", "", "a/b"}, {"", "", ""}} {
		r := must(http.NewRequest("GET", s.BaseURL()+"/Patient", nil))
		r.Header = http.Header{"X-Request-Id": {c.sent}, "X-Trace-Id": {"t"}}
		h := do(t, s, r).header
		if id := h.Get("X-Request-Id"); id == "" || c.request != "" && id != c.request || h.Get("X-Correlation-Id") != c.correlation || h.Get("X-Trace-Id") != "t" {
			t.Errorf("%q: %v", c.sent, h)
		}
	}
	if h := get(t, s, s.BaseURL()+"/metadata", "").header; h.Get("X-Request-Id") == "" || h.Get("X-Trace-Id") == "" {
		t.Errorf("%v", h)
	}
}

func TestSMARTHasNoLeeway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smarttest.New(t, smarttest.Options{Profile: smarttest.SMART, InMemory: true, TokenLifetime: 10 * time.Second})
		register(s)
		token := accessToken(t, s)
		time.Sleep(10*time.Second - time.Nanosecond)
		if a := get(t, s, s.BaseURL()+"/Patient/patient-1", token); a.status != 200 {
			t.Errorf("before its end: %d", a.status)
		}
		time.Sleep(time.Nanosecond)
		if a := get(t, s, s.BaseURL()+"/Patient/patient-1", token); a.status != 401 {
			t.Errorf("expired: %d", a.status)
		}
	})
}

func TestClocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smarttest.New(t, smarttest.Options{InMemory: true, TokenLifetime: 10 * time.Second})
		register(s)
		date := func(a answer) time.Duration {
			return time.Until(must(http.ParseTime(a.header.Get("Date")))).Round(time.Second)
		}
		patient := func(token string) answer { return get(t, s, s.BaseURL()+"/Patient/patient-1", token) }

		token := accessToken(t, s)
		s.SetClockOffset(smarttest.FHIRServer, -time.Second)
		if a := patient(token); a.status != 401 || date(a) != -time.Second {
			t.Errorf("a FHIR server behind: %d, %v", a.status, date(a))
		}
		time.Sleep(time.Second)
		if a := patient(token); a.status != 200 {
			t.Errorf("a second later: %d", a.status)
		}
		s.SetClockOffset(smarttest.FHIRServer, 0)
		time.Sleep(69 * time.Second) // 70 since it was issued: its 10 and 60 of leeway
		if a := patient(token); a.status != 200 {
			t.Errorf("within the leeway: %d", a.status)
		}
		time.Sleep(time.Second)
		if a := patient(token); a.status != 401 {
			t.Errorf("expired: %d", a.status)
		}

		s.SetClockOffset(smarttest.AuthServer, -time.Minute)
		refused := (row{alg: "ES384"}).send(t, s)
		if refused.status != 401 || date(refused) != -time.Minute {
			t.Errorf("an authorization server behind: %d, %v", refused.status, date(refused))
		}
		s.SetClockOffset(smarttest.AuthServer, time.Minute)
		a := (row{alg: "ES384"}).send(t, s)
		claims := decode(t, a.json(t)["access_token"].(string))
		if iat := time.Unix(int64(claims["iat"].(float64)), 0); time.Until(iat) < 59*time.Second || date(a) != time.Minute {
			t.Errorf("an authorization server ahead: iat in %v, Date %v", time.Until(iat), date(a))
		}
		if a := get(t, s, s.JWKSURL("app"), ""); date(a) != 0 {
			t.Errorf("the keys' Date: %v", date(a))
		}

		s.SetClockOffset(smarttest.AuthServer, 0)
		s.SetTokenLifetime(7 * time.Second)
		if response := (row{alg: "ES384"}).send(t, s).json(t); response["expires_in"] != 7.0 {
			t.Errorf("%v", response)
		}
	})
}
