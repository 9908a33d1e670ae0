package smarttest_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestFaultsInPlaceOfTheEndpoint(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	register(s)
	form := tokenForm(newDraft(s, "app", "ES384", "ec", ecKey()).sign())
	s.Fail(smarttest.TokenEndpoint,
		smarttest.Fault{Times: 2, Status: 503, Header: http.Header{"Retry-After": {"1"}, "Date": nil}},
		smarttest.Fault{Times: 1, Body: "{}", Header: http.Header{"Content-Type": {"application/json"}}},
		smarttest.Fault{Times: 1, Handler: func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(r.PostFormValue("grant_type")))
		}})
	for i, want := range []answer{{status: 503}, {status: 503}, {status: 200, body: "{}"}, {status: 200, body: "client_credentials"}} {
		a := postForm(t, s, s.TokenURL(), form)
		if a.status != want.status || a.body != want.body {
			t.Errorf("%d: %d %q", i, a.status, a.body)
		}
		if _, date := a.header["Date"]; i < 2 && (a.header.Get("Retry-After") != "1" || date) {
			t.Errorf("%d: %v", i, a.header)
		}
	}
	if a := postForm(t, s, s.TokenURL(), form); a.status != 200 {
		t.Errorf("a fault has used up the assertion: %d", a.status)
	}
	if c := s.Counts(); c.TokenRequests != 5 || c.TokensRefused != 2 || c.TokensIssued != 1 || len(s.Assertions()) != 5 {
		t.Errorf("%+v", c)
	}

	s.Fail(smarttest.Metadata, smarttest.Fault{Status: 500})
	s.Fail(smarttest.Discovery, smarttest.Fault{Status: 500})
	s.Clear(smarttest.Metadata)
	if a := get(t, s, s.BaseURL()+"/metadata", ""); a.status != 200 {
		t.Error("Clear of one endpoint did nothing")
	}
	if a := get(t, s, s.BaseURL()+"/.well-known/smart-configuration", ""); a.status != 500 {
		t.Error("Clear of one endpoint cleared another")
	}
	s.Clear()
	if a := get(t, s, s.BaseURL()+"/.well-known/smart-configuration", ""); a.status != 200 {
		t.Error("Clear of all did nothing")
	}
}

func TestFaultsOfTheResponse(t *testing.T) {
	for _, memory := range []bool{false, true} {
		for name, fault := range map[string]smarttest.Fault{"close": {CloseConnection: true}, "reset": {Reset: true}} {
			s := smarttest.New(t, smarttest.Options{InMemory: memory})
			register(s)
			form := tokenForm(newDraft(s, "app", "ES384", "ec", ecKey()).sign())
			s.Fail(smarttest.TokenEndpoint, fault)
			if resp, err := s.Client().PostForm(s.TokenURL(), form); err == nil {
				_ = resp.Body.Close()
				t.Errorf("%s: %s", name, resp.Status)
			}
			s.Clear()
			if a := postForm(t, s, s.TokenURL(), form); a.status != 401 || s.Counts().TokensIssued != 1 {
				t.Errorf("%s: the lost response's assertion was not used up: %d", name, a.status)
			}
		}
	}
}

func TestDelayAndHang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smarttest.New(t, smarttest.Options{InMemory: true})
		register(s)
		token := accessToken(t, s)
		s.Fail(smarttest.FHIR, smarttest.Fault{Times: 1, Delay: 20 * time.Second}, smarttest.Fault{Hang: true})
		start := time.Now()
		if a := get(t, s, s.BaseURL()+"/Patient", token); a.status != 200 || time.Since(start) != 20*time.Second {
			t.Errorf("%d after %v", a.status, time.Since(start))
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start = time.Now()
		r := must(http.NewRequestWithContext(ctx, "POST", s.BaseURL()+"/Patient", strings.NewReader(`{"resourceType":"Patient"}`)))
		r.Header.Set("Authorization", "Bearer "+token)
		if _, err := s.Client().Do(r); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Hour {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		synctest.Wait() // the server's side ends with the client
		s.Clear()
		if bundle := get(t, s, s.BaseURL()+"/Patient", accessToken(t, s)).json(t); bundle["total"] != 4.0 {
			t.Errorf("the request was not carried out: %v", bundle["total"])
		}
	})
}

func TestRequestsAndHook(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	register(s)
	token := accessToken(t, s)
	hooked := make(chan smarttest.Request, 1)
	s.OnRequest(func(r smarttest.Request) { hooked <- r })
	send(t, s, "POST", s.BaseURL()+"/Patient?x=1", token, `{"resourceType":"Patient"}`)
	s.OnRequest(nil)
	got := s.Requests(smarttest.FHIR)
	if len(got) != 1 || len(s.Requests()) != 3 {
		t.Fatalf("%d", len(got))
	}
	for _, r := range []smarttest.Request{got[0], <-hooked} {
		if r.Method != "POST" || r.RequestURI != "/fhir/DEFAULT/Patient?x=1" || r.Bearer() != token ||
			string(r.Body) != `{"resourceType":"Patient"}` || "http://"+r.Host != s.FHIROrigin() {
			t.Errorf("%+v", r)
		}
	}
	if r := s.Requests(smarttest.TokenEndpoint)[0]; r.Bearer() != "" || !strings.Contains(string(r.Body), "client_assertion=") {
		t.Errorf("%+v", r)
	}

	large := strings.Repeat("x", 3<<20)
	for range 12 {
		send(t, s, "POST", s.BaseURL()+"/Patient", "", large)
	}
	kept := 0
	for _, r := range s.Requests() {
		kept += len(r.Body)
	}
	if kept > 32<<20 || kept < 24<<20 {
		t.Errorf("%d bytes kept", kept)
	}
}
