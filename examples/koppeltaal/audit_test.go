package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

// auditsOf returns the requests that wrote AuditEvents.
func auditsOf(srv *smarttest.Server) (all []smarttest.Request) {
	for _, r := range srv.Requests(smarttest.FHIR) {
		if strings.HasSuffix(r.RequestURI, "/AuditEvent") {
			all = append(all, r)
		}
	}
	return all
}

func eventIn(t *testing.T, r smarttest.Request) (e auditEvent) {
	t.Helper()
	if err := json.Unmarshal(r.Body, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// The AuditEvent has the ids of the browser's request, and the request that writes it has a new one and correlates to that
// (TOP-KT-011, TOP-KT-012c).
func TestAuditEvent(t *testing.T) {
	m := newModule(t)
	before := time.Now().Add(-time.Second)
	form := m.form(func(claims map[string]any) { claims["jti"] = "launch-1" })
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.origin+launchPath, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, koppeltaal.HeaderRequestID: {"request-1"},
		koppeltaal.HeaderCorrelationID: {"correlation-1"}, koppeltaal.HeaderTraceID: {"trace-1"}}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	all := auditsOf(m.srv)
	if resp.StatusCode != http.StatusOK || len(all) != 1 {
		t.Fatalf("%s, %d AuditEvents", resp.Status, len(all))
	}
	sent := hopOf("", all[0].Header)
	if sent.request == "request-1" || len(sent.request) != 36 || sent.correlation != "request-1" || sent.trace != "launch-1" {
		t.Errorf("written by %+v", sent)
	}
	if all[0].Method != http.MethodPost || all[0].Header.Get("Content-Type") != "application/fhir+json" || all[0].Bearer() == "" {
		t.Errorf("written by %s with %v", all[0].Method, all[0].Header)
	}

	recorded, err := time.Parse(time.RFC3339, eventIn(t, all[0]).Recorded)
	if err != nil || recorded.Before(before) || recorded.After(time.Now()) {
		t.Errorf("recorded %v, %v", recorded, err)
	}
	want := `{"resourceType":"AuditEvent","meta":{"profile":["http://koppeltaal.nl/fhir/StructureDefinition/KT2AuditEvent"]},
"extension":[{"url":"http://koppeltaal.nl/fhir/StructureDefinition/request-id","valueId":"request-1"},
{"url":"http://koppeltaal.nl/fhir/StructureDefinition/correlation-id","valueId":"correlation-1"},
{"url":"http://koppeltaal.nl/fhir/StructureDefinition/trace-id","valueId":"launch-1"}],
"type":{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110100","display":"Application Activity"},
"subtype":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110120","display":"Application Start"}],
"action":"E","recorded":"` + eventIn(t, all[0]).Recorded + `","outcome":"0",
"agent":[{"type":{"coding":[{"system":"http://dicom.nema.org/resources/ontology/DCM","code":"110150","display":"Application"}]},
"who":{"reference":"Device/my-app"},"requestor":false}],
"source":{"site":"` + m.origin + `","observer":{"reference":"Device/my-app"}},
"entity":[{"what":{"reference":"Task/task-1/_history/1"}}]}`
	if got := string(all[0].Body); got != strings.ReplaceAll(want, "\n", "") {
		t.Errorf("written was\n%s\nwant\n%s", got, want)
	}
}

// A launch that fails once it is known to be one is told to the domain, with whose fault it is. What is no launch is not.
func TestAuditEventOfAFailure(t *testing.T) {
	for name, c := range map[string]struct {
		claims             map[string]any
		fault              *smarttest.Fault // of the FHIR server's first answer
		outcome, why, what string
	}{
		"no launch":          {map[string]any{"aud": "Device/other-app"}, nil, "", "", ""},
		"no Task":            {map[string]any{"resource": "Appointment/1"}, nil, expected, "not of a Task", "Appointment/1"},
		"a definition alone": {map[string]any{"resource": nil, "definition": "https://example.nl/module"}, nil, expected, "not of a Task", "Device/my-app"},
		"a Task that went":   {map[string]any{"resource": "Task/none"}, nil, expected, "GET Task/none: 404", "Task/none"},
		"of another patient": {map[string]any{"sub": "Practitioner/1", "patient": "Patient/patient-2"}, nil, expected, "not about the same Patient", "Task/task-1/_history/1"},
		"FHIR 503":           {nil, &smarttest.Fault{Times: 1, Status: 503}, unexpected, "GET Task/task-1: 503", "Task/task-1"},
		"FHIR sends another": {nil, &smarttest.Fault{Times: 1, Body: `{"resourceType":"Task","id":"task-2","meta":{"versionId":"9"}}`}, unexpected, "another resource", "Task/task-1"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModule(t)
			form := m.form(func(claims map[string]any) {
				for claim, value := range c.claims {
					claims[claim] = value
					if value == nil {
						delete(claims, claim)
					}
				}
			})
			if c.fault != nil {
				m.srv.Fail(smarttest.FHIR, *c.fault)
			}
			a := m.post(t, form)
			all := auditsOf(m.srv)
			if c.outcome == "" {
				if len(all) != 0 || a.status == http.StatusOK {
					t.Errorf("%d, %d AuditEvents", a.status, len(all))
				}
				return
			}
			if len(all) != 1 {
				t.Fatalf("%d, %d AuditEvents", a.status, len(all))
			}
			e := eventIn(t, all[0])
			if e.Outcome != c.outcome || !strings.Contains(e.OutcomeDesc, c.why) || e.Entity[0]["what"].Reference != c.what {
				t.Errorf("outcome %s (%s) of %v, want %s (%s) of %s", e.Outcome, e.OutcomeDesc, e.Entity, c.outcome, c.why, c.what)
			}
		})
	}
}

// A role may lack the right to create an AuditEvent, or the server may be in trouble: the user gets the page, and the log tells.
func TestAuditEventThatCannotBeWritten(t *testing.T) {
	m := newModule(t)
	m.srv.SetRole("my-app", "system/Task.rs", "system/Patient.rs")
	if a := m.post(t, m.form(nil)); a.status != http.StatusOK {
		t.Errorf("%d: %s", a.status, a.body)
	}
	if want := `"msg":"a launch has no AuditEvent","error":"403 Forbidden"`; !strings.Contains(m.log.String(), want) {
		t.Errorf("%s is not in the log:\n%s", want, m.log)
	}
}

// The browser may leave before its page is there: that it came is told all the same.
func TestAuditEventWhenTheBrowserLeaves(t *testing.T) {
	m := newModule(t)
	ctx, leave := context.WithCancel(t.Context())
	audited := make(chan struct{})
	m.srv.OnRequest(func(r smarttest.Request) {
		switch {
		case strings.Contains(r.RequestURI, "/Patient/"):
			leave()
			select {
			case <-audited:
			case <-time.After(10 * time.Second):
			}
		case strings.HasSuffix(r.RequestURI, "/AuditEvent"):
			close(audited)
		}
	})
	_, _, _, err := post(ctx, m.origin+launchPath, m.form(nil))
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the browser did not leave: %v", err)
	}
	if err := m.stop(); err != nil { // waits for the launch
		t.Error(err)
	}
	all := auditsOf(m.srv)
	if len(all) != 1 {
		t.Fatalf("%d AuditEvents", len(all))
	}
	if e := eventIn(t, all[0]); e.Outcome != unexpected || !strings.Contains(e.OutcomeDesc, "context canceled") {
		t.Errorf("outcome %s (%s)", e.Outcome, e.OutcomeDesc)
	}
}

func TestSite(t *testing.T) {
	for jwksURL, want := range map[string]string{"": "", "https://app.example.nl:8443/keys/5f2c81": "https://app.example.nl:8443", "/keys": ""} {
		if got := siteOf(jwksURL); got != want {
			t.Errorf("that of %q is %q, want %q", jwksURL, got, want)
		}
	}
}
