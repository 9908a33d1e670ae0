package koppeltaal_test

import (
	"errors"
	"net/http"
	"net/url"
	"testing"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

func TestIntrospection(t *testing.T) {
	s := start(t, smarttest.Options{})
	other := s.NewClient(smarttest.ClientOptions{})
	own := s.src.ClientID()
	launch := s.LaunchToken(own, nil)
	access := must(s.src.Token(t.Context())).AccessToken()
	for _, c := range []struct {
		name, token string
		active      bool
		notALaunch  bool
		status      int
	}{
		{name: "a launch", token: launch, active: true},
		{name: "the same a second time", token: launch, notALaunch: true},
		{name: "a launch of another device", token: s.LaunchToken(other.ClientID, nil), notALaunch: true},
		{name: "an access token", token: access, notALaunch: true},
		{name: "an assertion of another client", token: assertion(t, other, s.TokenURL()), active: true, notALaunch: true},
		{name: "an assertion of our own", token: must(s.src.Assertion(t.Context(), s.TokenURL())), active: true, notALaunch: true},
		{name: "garbage", token: "garbage", status: 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := s.Counts().Introspections
			l, err := s.client.Launch(t.Context(), c.token)
			var e *koppeltaal.Error
			switch {
			case c.status != 0:
				if !errors.As(err, &e) || e.StatusCode != c.status || e.MediaType != "text/html" || !e.MaybeSent {
					t.Errorf("%+v", err)
				}
			case c.notALaunch:
				if l != nil || !errors.Is(err, koppeltaal.ErrNotALaunch) {
					t.Errorf("%v %v", l, err)
				}
			case err != nil:
				t.Error(err)
			}
			if n := s.Counts().Introspections - before; n != 1 {
				t.Errorf("%d introspections", n)
			}
		})
	}
	i, err := s.client.Introspect(t.Context(), s.LaunchToken(own, nil))
	if err != nil || !i.Active {
		t.Fatalf("%v %v", i, err)
	}
	var claims struct{ Sub, Resource string }
	if err := i.Decode(&claims); err != nil || claims.Sub != "Patient/patient-1" || claims.Resource != "Task/task-1" {
		t.Errorf("%v %+v", err, claims)
	}
	for _, r := range s.Requests(smarttest.Introspection) {
		form, err := url.ParseQuery(string(r.Body))
		if err != nil || len(form) != 3 || r.Method != http.MethodPost || r.RequestURI != "/oauth2/introspect" || r.Header.Get("Authorization") != "" {
			t.Errorf("%s %s has %v", r.Method, r.RequestURI, form)
		}
	}
}

func TestIntrospectionByTheTopic(t *testing.T) {
	s := start(t, smarttest.Options{IntrospectionAudience: smarttest.EndpointAudience})
	var e *koppeltaal.Error
	if _, err := s.client.Introspect(t.Context(), "x"); !errors.As(err, &e) || e.StatusCode != 401 {
		t.Errorf("the aud of the token endpoint: %v", err)
	}
	s.client.IntrospectionAudience = koppeltaal.IntrospectionEndpointAudience
	for _, token := range []string{s.LaunchToken(s.src.ClientID(), nil), must(s.src.Token(t.Context())).AccessToken()} {
		if i, err := s.client.Introspect(t.Context(), token); err != nil || !i.Active {
			t.Errorf("%v %v", i, err)
		}
	}
	for _, a := range s.Assertions()[2:] { // of a token, and the one refused
		if a.Endpoint == smarttest.Introspection && a.Claims["aud"] != s.IntrospectionURL() {
			t.Errorf("aud is %v", a.Claims["aud"])
		}
	}
}

// The jti of the HTI token is the trace id of the launch, already when it is introspected (TOP-KT-012c).
func TestLaunchIsATrace(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		var jti any
		token := s.LaunchToken(s.src.ClientID(), func(claims map[string]any) { jti = claims["jti"] })
		ctx := koppeltaal.WithTrace(t.Context(), koppeltaal.Trace{RequestID: "request-1", TraceID: "of the middleware"})
		launch, err := s.client.Launch(ctx, token)
		if err != nil {
			t.Fatal(err)
		}
		if launch.TraceID != jti {
			t.Errorf("%q, want %q", launch.TraceID, jti)
		}
		s.get(t, launch.Trace(ctx))
		follows := koppeltaal.Trace{RequestID: "request-1", TraceID: launch.TraceID}
		mustFollow(t, s.idsOf(t, smarttest.Introspection), follows, 1)
		mustFollow(t, s.idsOf(t, smarttest.FHIR), follows, 1)
	})
}

func TestLaunch(t *testing.T) {
	s := start(t, smarttest.Options{})
	var portal any
	token := s.LaunchToken(s.src.ClientID(), func(claims map[string]any) {
		portal = claims["iss"]
		claims["sub"] = "Practitioner/dr.who-1"
	})
	l, err := s.client.Launch(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if time.Until(l.Expiry).Round(time.Minute) != 5*time.Minute {
		t.Errorf("expiry %v", l.Expiry)
	}
	l.Expiry = time.Time{}
	if want := (koppeltaal.Launch{Issuer: portal.(string), Subject: "Practitioner/dr.who-1", Patient: "Patient/patient-1", Resource: "Task/task-1",
		Definition: "https://module.example.nl/ActivityDefinition/sleep", Intent: "plan", TraceID: l.TraceID}); *l != want {
		t.Errorf("%+v, want %+v", *l, want)
	}
}

// assertion is one that a client would send to the token endpoint.
func assertion(t *testing.T, cfg smartauth.Config, audience string) string {
	t.Helper()
	return must(must(smartauth.New(cfg)).Assertion(t.Context(), audience))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
