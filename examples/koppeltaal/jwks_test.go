package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/smartauth-go/smartauth/koppeltaal/doctor"
)

// The sandbox reads the keys from the service, and takes what is signed with them.
func TestPublishedKeys(t *testing.T) {
	m := newModule(t)
	a := m.send(t, http.MethodGet, strings.TrimPrefix(m.c.jwksURL, m.origin), "", "")
	var set struct{ Keys []map[string]string }
	if err := json.Unmarshal([]byte(a.body), &set); err != nil || a.status != http.StatusOK || len(set.Keys) != 1 {
		t.Fatalf("%d %v: %s", a.status, err, a.body)
	}
	if key := set.Keys[0]; key["kid"] != m.c.key.KeyID() || key["d"] != "" || a.header.Get("Cache-Control") == "" {
		t.Errorf("%v, %v", key, a.header)
	}
	if launched := m.post(t, m.form(nil)); launched.status != http.StatusOK {
		t.Errorf("%d: %s", launched.status, launched.body)
	}
	for _, assertion := range m.srv.Assertions() {
		if !assertion.Accepted || assertion.Header["kid"] != m.c.key.KeyID() {
			t.Errorf("%+v", assertion)
		}
	}
}

// The service starts when the doctor finds it ill, and works when that has passed.
func TestCheckUp(t *testing.T) {
	m := newModule(t)
	m.srv.SetApproved("my-app", false)
	report := checkUp(t.Context(), m.c, m.logger())
	if report.Status != doctor.Red || !strings.Contains(m.log.String(), `"level":"ERROR","msg":"doctor","check":"token","status":"fail"`) {
		t.Errorf("%v:\n%s", report.Status, m.log)
	}
	m.srv.SetApproved("my-app", true)
	if a := m.post(t, m.form(nil)); a.status != http.StatusOK {
		t.Errorf("%d: %s", a.status, a.body)
	}
}
