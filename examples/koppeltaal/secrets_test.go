package main

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

// Nothing that is secret is in the log, on a page or in an AuditEvent, however the launch goes, and whatever the servers echo.
func TestNoSecretIsShown(t *testing.T) {
	m := newModule(t)
	const marker = "m4rk3r"
	var launches []string
	shown := ""
	launch := func(form url.Values) {
		launches = append(launches, form.Get("launch"))
		shown += m.post(t, form).body
	}
	named := func(claims map[string]any) { claims["note"] = marker }

	checkUp(t.Context(), m.c, m.logger())
	launch(m.form(named))
	launch(url.Values{"launch": {marker}, "iss": {m.srv.BaseURL()}})
	launch(url.Values{"launch": {m.srv.LaunchToken("my-app", named)}, "iss": {"https://" + marker + ":" + marker + "@other.example.nl/?" + marker}})
	form := m.form(named)
	form.Set("iss", form.Get("launch"))
	launch(form)
	shown += m.send(t, http.MethodPost, launchPath, "application/x-www-form-urlencoded", "launch=%zz"+marker).body
	shown += m.send(t, http.MethodPost, launchPath+"?launch="+marker, "application/x-www-form-urlencoded", "").body
	echo := smarttest.Fault{Handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		_ = r.ParseForm()
		_, _ = w.Write([]byte(`{"error":"` + r.Form.Encode() + r.Header.Get("Authorization") + `"}`))
	}}
	for _, e := range []smarttest.Endpoint{smarttest.FHIR, smarttest.TokenEndpoint, smarttest.Introspection} {
		m.srv.RevokeAll()
		m.srv.Fail(e, echo)
		launch(m.form(named))
		m.srv.Clear()
	}
	launch(down(t, m))

	secrets := append(launches, marker, strings.Split(string(m.pem), "\n")[1])
	for _, r := range m.srv.Requests() {
		secrets = append(secrets, r.Bearer())
		if form, err := url.ParseQuery(string(r.Body)); err == nil {
			secrets = append(secrets, form.Get("client_assertion"))
		}
		if strings.Contains(r.RequestURI, "token=") || strings.Contains(r.RequestURI, "assertion") {
			t.Errorf("in a URL: %s", r.RequestURI)
		}
	}
	audits := auditsOf(m.srv)
	for _, r := range audits {
		shown += string(r.Body)
	}
	if len(secrets) < 20 || len(audits) == 0 {
		t.Fatalf("%d secrets, %d AuditEvents", len(secrets), len(audits))
	}
	for _, s := range secrets {
		if s != "" && strings.Contains(m.log.String()+shown, s) {
			t.Errorf("%q is shown:\n%s\n%s", s, m.log, shown)
		}
	}
	if jwt := regexp.MustCompile(`ey[A-Za-z0-9_-]{8,}\.`).FindString(m.log.String() + shown); jwt != "" {
		t.Errorf("%s… is shown", jwt)
	}
}
