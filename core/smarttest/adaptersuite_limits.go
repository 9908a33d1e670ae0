package smarttest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// restraint are the tests of what an adapter must not do.
var restraint = map[string]func(*testing.T, *fixture){
	"a second 401 is the caller's": func(t *testing.T, f *fixture) {
		f.AlwaysUnauthorized(true)
		if body := f.send(t, Call{}, http.StatusUnauthorized); body != "Unauthorized" {
			t.Errorf("the body is %q, want the server's", body)
		}
		if c := f.Counts(); c.FHIR != 2 || c.TokensIssued != 2 {
			t.Errorf("%d requests and %d tokens, want two of each", c.FHIR, c.TokensIssued)
		}
	},

	"a server that always says 401 causes few tokens": func(t *testing.T, f *fixture) {
		f.AlwaysUnauthorized(true)
		for range 1000 {
			f.send(t, Call{}, http.StatusUnauthorized)
		}
		if n := f.Counts().TokenRequests; n > 5 {
			t.Errorf("%d token requests for 1,000 calls", n)
		}
	},

	"at most one resend, however often the stack repeats": func(t *testing.T, f *fixture) {
		f.send(t, Call{}, http.StatusOK)
		before := f.Counts()
		var statuses []int
		var resends int
		var last time.Time
		f.Fail(FHIR, Fault{Handler: func(w http.ResponseWriter, _ *http.Request) {
			status := http.StatusUnauthorized
			if n := len(statuses); n > 0 && statuses[n-1] == http.StatusUnauthorized {
				status = http.StatusServiceUnavailable // for which a stack may try again, in an hour
				if time.Since(last) < time.Minute {
					resends++
				}
			}
			statuses, last = append(statuses, status), time.Now()
			w.WriteHeader(status)
		}})
		resp, err := f.do(Call{Context: t.Context(), Method: http.MethodGet, URL: f.patients()})
		if err == nil {
			_ = resp.Body.Close()
		}
		if resends != 1 || statuses[1] != http.StatusServiceUnavailable {
			t.Errorf("%d resends in %v, want one, after the first 401", resends, statuses)
		}
		if n := f.Counts().TokensIssued - before.TokensIssued; n > 1+len(statuses) {
			t.Errorf("%d tokens for %d requests", n, len(statuses))
		}
	},

	"a body too long to keep": func(t *testing.T, f *fixture) {
		f.send(t, Call{}, http.StatusOK)
		f.Fail(FHIR, Fault{Times: 1, Status: http.StatusUnauthorized}, Fault{Times: 1, Status: http.StatusCreated})
		long := opaque{io.LimitReader(zeros{}, mebibyte+1)}
		resp, err := f.do(Call{Context: t.Context(), Method: http.MethodPost, URL: f.BaseURL() + "/Patient", Body: long})
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		requests := f.Requests(FHIR)[1:]
		switch {
		case resp.StatusCode == http.StatusUnauthorized && len(requests) == 1:
		case resp.StatusCode == http.StatusCreated && len(requests) == 2 && bytes.Equal(requests[0].Body, requests[1].Body): // the stack has kept it
		default:
			t.Errorf("status %d after %d requests, want the 401 of the first or, if the stack keeps bodies, the answer to the same again",
				resp.StatusCode, len(requests))
		}
		f.Clear(FHIR)
		before := f.Counts()
		f.send(t, Call{}, http.StatusOK)
		if c := f.Counts(); c.FHIR-before.FHIR != 1 || c.TokensIssued != 2 {
			t.Errorf("the next call took %d requests, and %d tokens in all, want one and two", c.FHIR-before.FHIR, c.TokensIssued)
		}
	},

	"the caller's own Authorization": func(t *testing.T, f *fixture) {
		f.send(t, Call{Header: http.Header{"Authorization": {"Bearer own"}}}, http.StatusUnauthorized)
		if got := f.bearers(); len(got) != 1 || got[0] != "own" {
			t.Errorf("sent with %q, want the caller's, once", got)
		}
		if n := f.Counts().TokenRequests; n != 0 {
			t.Errorf("%d token requests for nothing", n)
		}
	},

	"another origin gets no bearer": func(t *testing.T, f *fixture) {
		foreign := &headers{}
		for _, addr := range []string{"files.example.test:80", "localhost:9999"} {
			origin, err := f.Serve(addr, foreign)
			if err != nil {
				t.Fatal(err)
			}
			f.send(t, Call{URL: origin + "/file"}, http.StatusOK)
			f.Fail(FHIR, Fault{Times: 1, Status: http.StatusFound, Header: http.Header{"Location": {origin + "/file"}}})
			f.send(t, Call{}, http.StatusOK)

			// There and back again: whoever is there may have chosen the address.
			foreign.redirect = f.patients()
			f.Fail(FHIR, Fault{Times: 1, Status: http.StatusFound, Header: http.Header{"Location": {origin + "/file"}}})
			f.send(t, Call{}, http.StatusUnauthorized)
			foreign.redirect = ""
		}
		if got := foreign.authorization; len(got) != 6 || strings.Join(got, "") != "" {
			t.Errorf("the other origins got %q", got)
		}
	},
}

// failing are the tests of calls for which there is no token.
var failing = map[string]func(*testing.T, *fixture){
	"no token, no request": func(t *testing.T, f *fixture) {
		for name, c := range map[string]struct {
			fault Fault
			kind  smartauth.Kind
		}{
			"temporary": {Fault{Status: http.StatusServiceUnavailable}, smartauth.Temporary},
			"refused":   {Fault{Status: http.StatusUnauthorized}, smartauth.Refused},
			"permanent": {Fault{Status: http.StatusBadRequest, Body: `{"error":"invalid_scope"}`}, smartauth.Permanent},
		} {
			f.Fail(TokenEndpoint, c.fault)
			before := f.Counts().TokenRequests
			begin := time.Now()
			_, err := f.do(Call{Context: t.Context(), Method: http.MethodPost, URL: f.patients(), Body: "body"})
			var e *smartauth.Error
			if !errors.As(err, &e) || e.Kind != c.kind {
				t.Errorf("%s: error %v, want a *smartauth.Error of that kind", name, err)
			}
			// A stack may try again after its own wait, of an hour here; each try costs one acquisition at most.
			tries := 1 + int(time.Since(begin)/time.Hour)
			if n := f.Counts().TokenRequests - before; n > 3*tries {
				t.Errorf("%s: %d token requests in %d tries", name, n, tries)
			}
			f.Clear()
			time.Sleep(time.Minute)
		}
		if n := f.Counts().FHIR; n != 0 {
			t.Errorf("%d requests reached the FHIR server", n)
		}
	},

	"401 while no other token is to be had": func(t *testing.T, f *fixture) {
		f.send(t, Call{}, http.StatusOK)
		f.Fail(TokenEndpoint, Fault{Status: http.StatusServiceUnavailable})
		f.Fail(FHIR, Fault{Times: 1, Status: http.StatusUnauthorized})
		begin := time.Now()
		_, err := f.do(Call{Context: t.Context(), Method: http.MethodGet, URL: f.patients()})
		var e *smartauth.Error
		if !errors.As(err, &e) {
			t.Fatalf("error %v, want one that wraps *smartauth.Error", err)
		}
		if time.Since(begin) < time.Hour { // no try of the stack's own hides the first
			if !strings.Contains(err.Error(), "answered 401") {
				t.Errorf("error %q does not tell of the 401", err)
			}
			f.send(t, Call{}, http.StatusOK) // others go on with the token
		}
	},

	"the caller leaves while a token is acquired": func(t *testing.T, f *fixture) {
		f.Fail(TokenEndpoint, Fault{Delay: 10 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		_, err := f.do(Call{Context: ctx, Method: http.MethodGet, URL: f.patients()})
		if took := time.Since(begin); !errors.Is(err, context.DeadlineExceeded) || took != time.Second {
			t.Errorf("left after %v with %v, want the deadline's error at its time", took, err)
		}
		time.Sleep(time.Minute)
		if n := f.Counts().FHIR; n != 0 {
			t.Errorf("%d requests reached the FHIR server", n)
		}
	},
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// headers remembers the Authorization of each request, and may redirect.
type headers struct {
	authorization []string
	redirect      string
}

func (h *headers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h.authorization = append(h.authorization, r.Header.Get("Authorization"))
	if h.redirect != "" {
		http.Redirect(w, r, h.redirect, http.StatusFound)
	}
}
