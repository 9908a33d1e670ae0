package koppeltaal_test

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

// seen answers without a network, and remembers the request.
type seen struct {
	r      *http.Request
	closed bool
}

func (s *seen) RoundTrip(r *http.Request) (*http.Response, error) {
	s.r = r
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

func (s *seen) CloseIdleConnections() { s.closed = true }

func request(tb testing.TB, ctx context.Context) *http.Request {
	tb.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://fhir.example.nl/fhir/DEFAULT/Patient", nil)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// What the caller has set stays, even to nothing and in small letters, also when the request is sent again.
func TestHeadersOfTheCallerStay(t *testing.T) {
	for name, own := range map[string]http.Header{
		"all":              {"X-Request-Id": {"own request"}, "X-Correlation-Id": {"own correlation"}, "X-Trace-Id": {"own trace"}},
		"one":              {"X-Correlation-Id": {"own correlation"}},
		"two values":       {"X-Trace-Id": {"a", "b"}},
		"nothing":          {"X-Request-Id": nil, "X-Correlation-Id": {}, "X-Trace-Id": {""}},
		"in small letters": {"x-request-id": {"own request"}, "x-trace-id": {"own trace"}},
	} {
		t.Run(name, func(t *testing.T) {
			base := &seen{}
			r := request(t, koppeltaal.WithTrace(t.Context(), served))
			r.Header = own.Clone()
			if _, err := (&koppeltaal.TraceTransport{Base: base}).RoundTrip(r); err != nil {
				t.Fatal(err)
			}
			if !maps.EqualFunc(r.Header, own, slices.Equal) {
				t.Errorf("the caller's request was changed: %v", r.Header)
			}
			names := map[string]bool{}
			for field, values := range base.r.Header {
				if set, ok := own[field]; ok && !slices.Equal(set, values) {
					t.Errorf("%s: %q in place of %q", field, values, set)
				}
				if names[http.CanonicalHeaderKey(field)] {
					t.Errorf("%s is there twice: %v", field, base.r.Header)
				}
				names[http.CanonicalHeaderKey(field)] = true
			}
			if len(names) != 3 {
				t.Errorf("%v", base.r.Header)
			}
		})
	}
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.get(t, t.Context())
		s.RevokeAll()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.BaseURL()+"/Patient", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(koppeltaal.HeaderRequestID, "own")
		s.do(t, r)
		if all := s.Requests(smarttest.FHIR)[1:]; len(all) != 2 || all[0].Header.Get(koppeltaal.HeaderRequestID) != "own" ||
			all[1].Header.Get(koppeltaal.HeaderRequestID) != "own" {
			t.Errorf("%+v", all)
		}
	})
}

func TestTraceTransportMayGetARequestWithoutHeader(t *testing.T) {
	base := &seen{}
	r := request(t, t.Context())
	r.Header = nil
	if _, err := (&koppeltaal.TraceTransport{Base: base}).RoundTrip(r); err != nil || r.Header != nil || len(base.r.Header) != 2 {
		t.Errorf("%v %v %v", err, r.Header, base.r.Header)
	}
}

// Under a transport that authenticates, the response belongs to the caller's request, which has no bearer.
func TestResponseShowsNoBearer(t *testing.T) {
	base := &seen{}
	token := smartauth.NewToken("token-marker", time.Time{})
	client := smarthttp.NewClient(static{token}, &http.Client{Transport: &koppeltaal.TraceTransport{Base: base}})
	r := request(t, t.Context())
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if base.r.Header.Get("Authorization") != "Bearer token-marker" || base.r.Header.Get(koppeltaal.HeaderRequestID) == "" {
		t.Errorf("sent with %v", base.r.Header)
	}
	if resp.Request != r || len(resp.Request.Header) != 0 {
		t.Errorf("the response belongs to a request with %v", resp.Request.Header)
	}

	within, err := (&koppeltaal.TraceTransport{Base: base}).RoundTrip(r)
	if err != nil || within.Request != r {
		t.Errorf("%v: the response belongs to another request than the one that was made", err)
	}
}

func TestTraceTransportClosesIdleConnectionsOfItsBase(t *testing.T) {
	base := &seen{}
	client := &http.Client{Transport: &koppeltaal.TraceTransport{Base: base}}
	if client.CloseIdleConnections(); !base.closed {
		t.Error("not closed")
	}
	(&koppeltaal.TraceTransport{Base: struct{ http.RoundTripper }{base}}).CloseIdleConnections() // has no such method
	(&koppeltaal.TraceTransport{}).CloseIdleConnections()
}

func TestTraceTransportAllocations(t *testing.T) {
	base := &seen{}
	transport := &koppeltaal.TraceTransport{Base: base}
	r := request(t, koppeltaal.WithTrace(t.Context(), served))
	for _, h := range []string{"Accept", "User-Agent", "Authorization"} {
		r.Header.Set(h, "value")
	}
	bare := testing.AllocsPerRun(1000, func() { _, _ = base.RoundTrip(r) })
	ours := testing.AllocsPerRun(1000, func() { _, _ = transport.RoundTrip(r) })
	if ours-bare > 7 {
		t.Errorf("the transport adds %.0f allocations to its base, want at most 7", ours-bare)
	}
}

// static always has the same token.
type static struct{ token *smartauth.Token }

func (s static) Token(context.Context) (*smartauth.Token, error) { return s.token, nil }
func (s static) Invalidate(*smartauth.Token)                     {}
func (s static) BaseURL() string                                 { return "https://fhir.example.nl/fhir/DEFAULT" }

func FuzzIDs(f *testing.F) {
	for _, id := range []string{"", "a", "a_b", strings.Repeat("a", 64), strings.Repeat("a", 65), "a\n", "é", " a", "0af7651916cd43dd8448eb211c80319c"} {
		f.Add(id, id, id)
	}
	f.Fuzz(func(t *testing.T, request1, correlation, trace string) {
		base := &seen{}
		transport := &koppeltaal.TraceTransport{Base: base, Tracing: koppeltaal.Tracing{TraceID: func(context.Context) string { return trace }}}
		check := func(ctx context.Context) {
			if _, err := transport.RoundTrip(request(t, ctx)); err != nil {
				t.Fatal(err)
			}
			for name, values := range base.r.Header {
				if len(values) != 1 || !fhirID.MatchString(values[0]) {
					t.Errorf("%s: %q", name, values)
				}
			}
			if base.r.Header.Get(koppeltaal.HeaderRequestID) == "" || base.r.Header.Get(koppeltaal.HeaderTraceID) == "" {
				t.Errorf("%v", base.r.Header)
			}
		}
		header := http.Header{koppeltaal.HeaderRequestID: {request1}, koppeltaal.HeaderCorrelationID: {correlation}, koppeltaal.HeaderTraceID: {trace}}
		check(t.Context())
		check(koppeltaal.WithTrace(t.Context(), koppeltaal.Trace{RequestID: request1, CorrelationID: correlation, TraceID: trace}))
		check(koppeltaal.CausedBy(t.Context(), header))
		_, in := serve(t, header)
		check(koppeltaal.WithTrace(t.Context(), in))
		for _, id := range []string{in.RequestID, in.TraceID} {
			if !fhirID.MatchString(id) {
				t.Errorf("%+v", in)
			}
		}
		if in.CorrelationID != "" && !fhirID.MatchString(in.CorrelationID) {
			t.Errorf("%+v", in)
		}
	})
}
