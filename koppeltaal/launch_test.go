package koppeltaal_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

// Active is no proof of a launch: each check is one that some active answer does not pass.
func TestWhatIsNoLaunch(t *testing.T) {
	set := func(name string, v any) func(map[string]any) { return func(a map[string]any) { a[name] = v } }
	unset := func(names ...string) func(map[string]any) {
		return func(a map[string]any) {
			for _, name := range names {
				delete(a, name)
			}
		}
	}
	const own = "own-device"
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name string
			edit func(map[string]any)
			why  string // empty: it is one
		}{
			{"a launch", set("active", true), ""},
			{"inactive with all claims", set("active", false), "inactive"},
			{"aud missing", unset("aud"), "its aud"},
			{"aud is the token endpoint", set("aud", "https://auth.example.nl/oauth2/token"), "its aud"},
			{"aud is another device", set("aud", "Device/another"), "its aud"},
			{"aud without Device/", set("aud", own), "its aud"},
			{"aud in a list", set("aud", []string{"Device/" + own}), ""},
			{"aud among others", set("aud", []string{"Device/" + own, "Device/another"}), "its aud"},
			{"aud is no text", set("aud", 1), "its aud"},
			{"aud by another name", func(a map[string]any) { a["AUD"], a["aud"] = a["aud"], "x" }, "its aud"},
			{"iss missing", unset("iss"), "another application"},
			{"iss is the application itself", set("iss", own), "another application"},
			{"iss is no text", set("iss", 1), "another application"},
			{"sub missing", unset("sub"), "its sub"},
			{"sub is the client", set("sub", own), "its sub"},
			{"sub is a Device", set("sub", "Device/portal"), "its sub"},
			{"sub is a path", set("sub", "Patient/1/../../Device/1"), "its sub"},
			{"sub has two lines", set("sub", "Patient/1\n"), "its sub"},
			{"sub is no text", set("sub", []string{"Patient/1"}), "its sub"},
			{"sub is a Practitioner", set("sub", "Practitioner/1"), ""},
			{"sub is a RelatedPerson", set("sub", "RelatedPerson/1"), ""},
			{"exp missing", unset("exp"), "does not say when"},
			{"exp is no number", set("exp", "soon"), "does not say when"},
			{"exp is digits", set("exp", json.Number("9999999999").String()), ""},
			{"exp is far too large", set("exp", 1e300), "does not say when"},
			{"exp is over", set("exp", in(-61*time.Second)), "has expired"},
			{"exp is over by a clock that may be ahead", set("exp", in(-59*time.Second)), ""},
			{"nothing to launch", unset("resource", "definition"), "neither"},
			{"nothing to launch but empty names", func(a map[string]any) { a["resource"], a["definition"] = "", "" }, "neither"},
			{"definition alone", unset("resource"), ""},
			{"resource alone", unset("definition"), ""},
			{"resource is no reference", set("resource", "https://elsewhere.example.nl/Task/1"), "its resource"},
			{"patient is none", set("patient", "Practitioner/1"), "its patient"},
			{"patient is another than the sub", set("patient", "Patient/2"), "different Patients"},
			{"patient is another than the Practitioner", func(a map[string]any) { a["sub"] = "Practitioner/1" }, ""},
			{"a version of a resource", set("resource", "Task/1/_history/2"), "its resource"},
			{"patient missing", unset("patient"), ""},
		} {
			s := start(t, smarttest.Options{InMemory: true})
			cfg := s.NewClient(smarttest.ClientOptions{ID: own})
			s.client.Source = source(t, cfg)
			answer := map[string]any{"active": true, "iss": "portal", "aud": "Device/" + own, "sub": "Patient/patient-1", "exp": in(time.Minute),
				"jti": "jti-1", "resource": "Task/task-1", "definition": "https://module.example.nl/1", "patient": "Patient/patient-1"}
			c.edit(answer)
			body, err := json.Marshal(answer)
			if err != nil {
				t.Fatal(err)
			}
			s.Fail(smarttest.Introspection, smarttest.Fault{Body: string(body), Header: http.Header{"Content-Type": {"application/json"}}})
			launch, err := s.client.Launch(t.Context(), "hti")
			switch {
			case c.why == "" && (err != nil || launch == nil):
				t.Errorf("%s: %v", c.name, err)
			case c.why != "" && (launch != nil || !errors.Is(err, koppeltaal.ErrNotALaunch) || !strings.Contains(err.Error(), c.why)):
				t.Errorf("%s: %v %v", c.name, launch, err)
			}
		}
	})
}

// An answer without jti leaves the one of the token.
func TestTraceOfALaunchWithoutJTI(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		var jti any
		token := s.LaunchToken(s.src.ClientID(), func(claims map[string]any) { jti = claims["jti"] })
		s.Fail(smarttest.Introspection, smarttest.Fault{Body: `{"active":true,"iss":"portal","aud":"Device/` + s.src.ClientID() +
			`","sub":"Patient/1","exp":9999999999,"resource":"Task/1"}`, Header: http.Header{"Content-Type": {"application/json"}}})
		if launch, err := s.client.Launch(t.Context(), token); err != nil || launch.TraceID != jti {
			t.Errorf("%+v %v, want %v", launch, err, jti)
		}
	})
}
