package smarthttp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// Whatever becomes of a request, each body that was given out is closed.
func TestBodiesAreClosed(t *testing.T) {
	token := func(t *testing.T, s *sandbox) {
		if _, err := s.src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	refused := smarttest.Fault{Times: 1, Status: 401, Body: "Unauthorized"}
	always := smarttest.Fault{Status: 401, Body: "Unauthorized"}
	created := smarttest.Fault{Status: 201, Body: "created"}
	then := func(faults ...smarttest.Fault) func(*testing.T, *sandbox) {
		return func(t *testing.T, s *sandbox) {
			token(t, s)
			s.Fail(smarttest.FHIR, faults...)
		}
	}
	lagging := func(faults ...smarttest.Fault) func(*testing.T, *sandbox) {
		return func(t *testing.T, s *sandbox) {
			token(t, s)
			s.Fail(smarttest.FHIR, append([]smarttest.Fault{refusal(1, time.Now().Add(-2*time.Second))}, faults...)...)
		}
	}
	type want struct{ status, requests int } // status 0 meaning an error
	for name, c := range map[string]struct {
		prepare func(*testing.T, *sandbox)
		length  int
		leave   time.Duration
		want    map[string]want // by kind of body
	}{
		"no token": {
			prepare: func(_ *testing.T, s *sandbox) { s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503}) },
			want:    map[string]want{"GetBody": {0, 0}, "opaque": {0, 0}}},
		"no 401": {
			prepare: then(created),
			want:    map[string]want{"GetBody": {201, 1}, "opaque": {201, 1}}},
		"without a bearer": {
			prepare: then(refused, created),
			want:    map[string]want{"foreign": {401, 1}}},
		"healed": {
			prepare: then(refused, created),
			want:    map[string]want{"GetBody": {201, 2}, "opaque": {201, 2}, "broken GetBody": {401, 1}}},
		"healed after a wait": {
			prepare: lagging(created),
			want:    map[string]want{"GetBody": {201, 2}, "opaque": {201, 2}, "broken GetBody": {401, 1}}},
		"healed after a wait and a renewal": {
			prepare: lagging(refused, created),
			want:    map[string]want{"GetBody": {201, 3}, "opaque": {201, 3}}},
		"suppressed": {
			prepare: func(t *testing.T, s *sandbox) {
				s.AlwaysUnauthorized(true)
				for range 3 { // all the renewals that there are
					s.search(t)
				}
			},
			want: map[string]want{"GetBody": {401, 1}, "opaque": {401, 1}}},
		"renewal failed": {
			prepare: func(t *testing.T, s *sandbox) {
				then(refused)(t, s)
				s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
			},
			want: map[string]want{"GetBody": {0, 1}, "opaque": {0, 1}}},
		"left during the wait": {
			prepare: lagging(), leave: time.Second,
			want: map[string]want{"GetBody": {0, 1}, "opaque": {0, 1}}},
		"at the limit": {
			prepare: then(refused, created), length: maxCopy,
			want: map[string]want{"opaque": {201, 2}}},
		"too long": {
			prepare: then(refused, created), length: maxCopy + 1,
			want: map[string]want{"GetBody": {201, 2}, "opaque": {401, 1}, "opaque of known length": {401, 1}}},
		"second 401": {
			prepare: then(always),
			want:    map[string]want{"GetBody": {401, 2}, "opaque": {401, 2}}},
		"network error": {
			prepare: then(smarttest.Fault{CloseConnection: true}),
			want:    map[string]want{"GetBody": {0, 1}, "opaque": {0, 1}}},
		"network error after a 401": {
			prepare: then(refused, smarttest.Fault{CloseConnection: true}),
			want:    map[string]want{"GetBody": {0, 2}, "opaque": {0, 2}}},
	} {
		for kind, want := range c.want {
			t.Run(name+", "+kind, func(t *testing.T) {
				t.Parallel()
				inMemory(t, func(t *testing.T, s *sandbox) {
					c.prepare(t, s)
					before := s.Counts().FHIR
					content := pattern(max(c.length, 100))
					var bodies []*counted
					body := func() *counted {
						bodies = append(bodies, &counted{Reader: bytes.NewReader(content)})
						return bodies[len(bodies)-1]
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
					defer cancel()
					if c.leave > 0 {
						time.AfterFunc(c.leave, cancel)
					}
					if kind == "foreign" {
						ctx = smarthttp.WithoutBearer(ctx)
					}
					r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.BaseURL()+"/Patient", body())
					if err != nil {
						t.Fatal(err)
					}
					switch kind {
					case "GetBody":
						r.ContentLength = int64(len(content))
						r.GetBody = func() (io.ReadCloser, error) { return body(), nil }
					case "broken GetBody":
						r.GetBody = func() (io.ReadCloser, error) { return nil, errors.New("the file is gone") }
					case "opaque of known length":
						r.ContentLength = int64(len(content))
					}
					base := &ledger{RoundTripper: s.Transport()}

					resp, err := smarthttp.NewClient(s.src, &http.Client{Transport: base}).Do(r)
					status, foreign := 0, base.bodies // those that the caller does not get
					if err == nil {
						status, foreign = resp.StatusCode, foreign[:len(foreign)-1]
						text, err := io.ReadAll(resp.Body)
						if expected := map[int]string{201: "created", 401: "Unauthorized"}[status]; err != nil || string(text) != expected {
							t.Errorf("the response is %q, %v, want %q", text, err, expected)
						}
					}
					requests := s.Requests(smarttest.FHIR)[before:]
					if status != want.status || len(requests) != want.requests {
						t.Errorf("status %d (%v) after %d requests, want %d after %d", status, err, len(requests), want.status, want.requests)
					}
					for i, r := range requests {
						if !bytes.Equal(r.Body, content) {
							t.Errorf("request %d has a body of %d bytes that is not the caller's of %d", i, len(r.Body), len(content))
						}
					}
					for i, b := range foreign {
						if b.closes.Load() == 0 {
							t.Errorf("response body %d of %d was left open", i, len(base.bodies))
						}
					}
					if err == nil {
						_ = resp.Body.Close()
						if base.bodies[len(foreign)].closes.Load() == 0 {
							t.Error("to close the response did not close that of the base")
						}
					}
					synctest.Wait() // for the transport below, which closes when it likes
					for i, b := range bodies {
						n := b.closes.Load()
						if n == 0 {
							t.Errorf("request body %d of %d was left open", i, len(bodies))
						}
						if strings.HasPrefix(kind, "opaque") && n > 1 {
							t.Errorf("the request body was closed %d times", n)
						}
					}
				})
			})
		}
	}
}
