package main

import (
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

func TestLaunch(t *testing.T) {
	m := newModule(t)
	form := m.form(func(claims map[string]any) { claims["jti"] = "launch-1" })
	form.Set("iss", m.srv.BaseURL()+"/") // some portals have the slash
	a := m.post(t, form)
	if a.status != http.StatusOK || !strings.Contains(a.body, "<h1>Task/task-1 (requested) for Jansen</h1>") || !strings.Contains(a.body, "Launched by Patient/patient-1") {
		t.Errorf("%d: %s", a.status, a.body)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", koppeltaal.HeaderTraceID: "launch-1"} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, want := range []string{`"msg":"launched"`, `"request_id":"` + a.header.Get(koppeltaal.HeaderRequestID) + `"`, `"trace_id":"launch-1"`} {
		if !strings.Contains(m.log.String(), want) {
			t.Errorf("%s is not in the log:\n%s", want, m.log)
		}
	}
}

// A 401 is healed inside the launch, and the request that is sent again has an id of its own in the same trace.
func TestLaunchThroughARevocation(t *testing.T) {
	m := newModule(t)
	m.post(t, m.form(nil))
	m.srv.RevokeAll()
	before := len(m.srv.Requests(smarttest.FHIR))
	if a := m.post(t, m.form(nil)); a.status != http.StatusOK {
		t.Fatalf("%d: %s", a.status, a.body)
	}
	reads := m.srv.Requests(smarttest.FHIR)[before:] // and the AuditEvent
	if len(reads) != 4 {
		t.Fatalf("%d requests", len(reads))
	}
	first, again := hopOf("", reads[0].Header), hopOf("", reads[1].Header)
	if reads[0].RequestURI != reads[1].RequestURI || first.request == again.request || first.trace != again.trace || first.correlation != again.correlation {
		t.Errorf("%+v, then %+v", first, again)
	}
}

// A portal that names no patient leaves it to the Task, which is then what causes the next request.
func TestPatientOfTheTask(t *testing.T) {
	m := newModule(t)
	a := m.post(t, m.form(func(claims map[string]any) { delete(claims, "patient") }))
	if a.status != http.StatusOK || !strings.Contains(a.body, "for Jansen") {
		t.Fatalf("%d: %s", a.status, a.body)
	}
	reads := m.srv.Requests(smarttest.FHIR)
	if task, patient := hopOf("", reads[0].Header), hopOf("", reads[1].Header); patient.correlation != task.request || patient.trace != task.trace {
		t.Errorf("%+v, then %+v", task, patient)
	}
}

func TestPageIsEscaped(t *testing.T) {
	m := newModule(t)
	m.srv.Fail(smarttest.FHIR, smarttest.Fault{Times: 1, Body: `{"resourceType":"Task","id":"task-1","status":"<b>","for":{"reference":"Patient/patient-1"}}`},
		smarttest.Fault{Times: 1, Body: `{"resourceType":"Patient","id":"patient-1","name":[{"given":["<script>"],"family":"&"}]}`})
	a := m.post(t, m.form(nil))
	if want := html.EscapeString("(<b>) for <script> &"); a.status != http.StatusOK || !strings.Contains(a.body, want) {
		t.Errorf("%d: %s", a.status, a.body)
	}
}

func TestFailedLaunches(t *testing.T) {
	claim := func(name string, value any) func(*testing.T, *module) url.Values {
		return func(_ *testing.T, m *module) url.Values {
			return m.form(func(claims map[string]any) { claims[name] = value })
		}
	}
	fhir := func(f smarttest.Fault) func(*testing.T, *module) url.Values {
		return func(_ *testing.T, m *module) url.Values {
			m.srv.Fail(smarttest.FHIR, f)
			return m.form(nil)
		}
	}
	for name, c := range map[string]struct {
		form           func(*testing.T, *module) url.Values
		status         int
		say, log       string
		introspections int
	}{
		"wrong iss": {func(_ *testing.T, m *module) url.Values {
			form := m.form(nil)
			form.Set("iss", "https://other.example.nl/fhir/DEFAULT?secret")
			return form
		}, 400, sayAgain, "its iss is another FHIR server: https://other.example.nl/fhir/DEFAULT\"", 0},
		"no iss": {func(_ *testing.T, m *module) url.Values {
			form := m.form(nil)
			form.Del("iss")
			return form
		}, 400, sayAgain, "(no URL)", 0},
		"no launch": {func(_ *testing.T, m *module) url.Values { return url.Values{"iss": {m.srv.BaseURL()}} }, 400, sayAgain, "no launch", 0},
		"used token": {func(t *testing.T, m *module) url.Values {
			form := m.form(nil)
			if a := m.post(t, form); a.status != http.StatusOK {
				t.Fatalf("the first time: %d", a.status)
			}
			return form
		}, 403, sayAgain, "used up", 2},
		"another device": {claim("aud", "Device/other-app"), 403, sayAgain, "for another application", 1},
		"by a device":    {claim("sub", "Device/my-app"), 403, sayAgain, "its sub is no Patient", 1},
		"garbage": {func(_ *testing.T, m *module) url.Values {
			return url.Values{"iss": {m.srv.BaseURL()}, "launch": {"garbage"}}
		}, 502, sayLater, "500 Internal Server Error", 1},
		"no Task":         {claim("resource", "Appointment/1"), 400, sayAgain, "not of a Task", 1},
		"another patient": {claim("patient", "Patient/patient-2"), 403, sayAgain, "different Patients", 1},
		"a Task of another": {func(_ *testing.T, m *module) url.Values {
			return m.form(func(claims map[string]any) { claims["sub"], claims["patient"] = "Practitioner/1", "Patient/patient-2" })
		}, 403, sayAgain, "not about the same Patient", 1},
		"a Task that went": {claim("resource", "Task/none"), 404, sayGone, "GET Task/none: 404", 1},
		"FHIR 403": {func(_ *testing.T, m *module) url.Values {
			m.srv.SetRole("my-app", "system/Task.rs")
			return m.form(nil)
		}, 502, sayLater, "GET Patient/patient-1: 403", 1},
		"FHIR 401": {func(_ *testing.T, m *module) url.Values {
			m.srv.AlwaysUnauthorized(true)
			return m.form(nil)
		}, 502, sayLater, "GET Task/task-1: 401", 1},
		"FHIR breaks off":       {fhir(smarttest.Fault{CloseConnection: true}), 502, sayLater, "EOF", 1},
		"FHIR sends a page":     {fhir(smarttest.Fault{Body: "<html>"}), 502, sayLater, "no such resource", 1},
		"FHIR sends another":    {fhir(smarttest.Fault{Body: `{"resourceType":"Task","id":"task-2"}`}), 502, sayLater, "another resource", 1},
		"FHIR sends for ever":   {fhir(smarttest.Fault{Body: strings.Repeat(" ", fhirMost+1)}), 502, sayLater, "too large", 1},
		"auth server is down":   {func(t *testing.T, m *module) url.Values { return down(t, m) }, 502, sayLater, "connection refused", 0},
		"client is not allowed": {func(_ *testing.T, m *module) url.Values { m.srv.SetApproved("my-app", false); return m.form(nil) }, 502, sayLater, "401 Unauthorized", 0},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t)
			form := c.form(t, m)
			a := m.post(t, form)
			if a.status != c.status || !strings.Contains(a.body, html.EscapeString(c.say)) {
				t.Errorf("%d: %s", a.status, a.body)
			}
			if log := strings.ReplaceAll(m.log.String(), `\"`, `"`); !strings.Contains(log, c.log) {
				t.Errorf("%q is not in the log:\n%s", c.log, log)
			}
			if got := m.srv.Counts().Introspections; got != c.introspections {
				t.Errorf("%d introspections, want %d", got, c.introspections)
			}
			checkIDs(t, m, a)
		})
	}
}

func down(t *testing.T, m *module) url.Values {
	t.Helper()
	form := m.form(nil)
	if err := m.srv.SetDown(smarttest.AuthServer, true); err != nil {
		t.Fatal(err)
	}
	return form
}

// checkIDs looks whether an error page has the two ids that the log has, that Koppeltaal got, and no detail (TOP-KT-012c).
func checkIDs(t *testing.T, m *module, a answer) {
	t.Helper()
	request, trace := a.header.Get(koppeltaal.HeaderRequestID), a.header.Get(koppeltaal.HeaderTraceID)
	if len(request) != 36 || len(trace) != 36 || request == trace {
		t.Errorf("ids %q and %q", request, trace)
	}
	if !strings.Contains(a.body, "<dd>"+request+"</dd><dt>Trace</dt><dd>"+trace+"</dd>") {
		t.Errorf("the ids %s and %s are not on the page: %s", request, trace, a.body)
	}
	if !strings.Contains(m.log.String(), `"request_id":"`+request+`","trace_id":"`+trace+`"`) {
		t.Errorf("the ids %s and %s are not in the log:\n%s", request, trace, m.log)
	}
	all := m.srv.Requests(smarttest.Introspection)
	if len(all) > 0 {
		if last := hopOf("", all[len(all)-1].Header); last.correlation != request || last.trace != trace {
			t.Errorf("the introspection had %+v", last)
		}
	}
	rest := strings.NewReplacer(request, "", trace, "").Replace(a.body)
	for _, detail := range []string{"Task", "Patient", "FHIR", "http", "error", "401", "403", "token", "iss"} {
		if strings.Contains(rest, detail) {
			t.Errorf("%q is on the page: %s", detail, a.body)
		}
	}
}

// What is no form of a launch costs the service nothing.
func TestOtherRequests(t *testing.T) {
	m := newModule(t)
	const form = "application/x-www-form-urlencoded"
	for name, c := range map[string]struct {
		method, path, contentType, body string
		status                          int
	}{
		"too large":        {"POST", launchPath, form, "launch=" + strings.Repeat("x", formMost), 400},
		"no form":          {"POST", launchPath, "application/json", `{"launch":"x"}`, 400},
		"in the query":     {"POST", launchPath + "?" + m.form(nil).Encode(), form, "", 400},
		"GET":              {"GET", launchPath + "?" + m.form(nil).Encode(), "", "", 405},
		"another path":     {"GET", "/", "", "", 404},
		"JWKS to be guess": {"GET", "/.well-known/jwks.json", "", "", 404},
	} {
		if a := m.send(t, c.method, c.path, c.contentType, c.body); a.status != c.status || a.header.Get(koppeltaal.HeaderRequestID) == "" {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if n := m.srv.Counts().Introspections; n != 0 {
		t.Errorf("%d introspections", n)
	}
}
