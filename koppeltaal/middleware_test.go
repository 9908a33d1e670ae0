package koppeltaal_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/smartauth-go/smartauth/koppeltaal"
)

// serve returns the header of the response and the trace that a handler behind the middleware finds.
func serve(t *testing.T, header http.Header) (http.Header, koppeltaal.Trace) {
	t.Helper()
	return serveBy(t, koppeltaal.TraceMiddleware, header)
}

func serveBy(t *testing.T, middleware func(http.Handler) http.Handler, header http.Header) (http.Header, koppeltaal.Trace) {
	t.Helper()
	var found koppeltaal.Trace
	h := middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { found = koppeltaal.TraceFrom(r.Context()) }))
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	r.Header = header
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result().Header, found
}

func header(request, correlation, trace string) http.Header {
	h := http.Header{}
	for name, id := range map[string]string{koppeltaal.HeaderRequestID: request, koppeltaal.HeaderCorrelationID: correlation, koppeltaal.HeaderTraceID: trace} {
		if id != "" {
			h.Set(name, id)
		}
	}
	return h
}

func TestTraceMiddleware(t *testing.T) {
	const fresh = "36 characters"
	for _, c := range []struct {
		name     string
		in       http.Header
		want     koppeltaal.Trace
		response koppeltaal.Trace
	}{
		{"all three, as of a notification", header("r", "c", "t"), koppeltaal.Trace{RequestID: "r", CorrelationID: "c", TraceID: "t"},
			koppeltaal.Trace{RequestID: "r", TraceID: "t"}},
		{"none", header("", "", ""), koppeltaal.Trace{RequestID: fresh, TraceID: fresh}, koppeltaal.Trace{RequestID: fresh, TraceID: fresh}},
		{"no trace id: not the request id", header("r", "", ""), koppeltaal.Trace{RequestID: "r", TraceID: fresh},
			koppeltaal.Trace{RequestID: "r", TraceID: fresh}},
		{"a request id that is no FHIR id", header("r_1", "c_1", "t_1"), koppeltaal.Trace{RequestID: fresh, TraceID: fresh},
			koppeltaal.Trace{RequestID: fresh, CorrelationID: "r_1", TraceID: fresh}},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, got := serve(t, c.in)
			sent := koppeltaal.Trace{RequestID: out.Get(koppeltaal.HeaderRequestID), CorrelationID: out.Get(koppeltaal.HeaderCorrelationID),
				TraceID: out.Get(koppeltaal.HeaderTraceID)}
			if sent.RequestID != got.RequestID || sent.TraceID != got.TraceID || got.RequestID == got.TraceID {
				t.Errorf("the response has %+v, the context %+v", sent, got)
			}
			for _, t := range []*koppeltaal.Trace{&got, &sent} {
				for _, id := range []*string{&t.RequestID, &t.TraceID} {
					if len(*id) == 36 {
						*id = fresh
					}
				}
			}
			if got != c.want || sent != c.response {
				t.Errorf("context %+v, want %+v; response %+v, want %+v", got, c.want, sent, c.response)
			}
		})
	}
}

func TestMiddlewareTakesTheTraceIDFromElsewhere(t *testing.T) {
	tracing := koppeltaal.Tracing{TraceID: func(context.Context) string { return "otel" }}
	if out, got := serveBy(t, tracing.Middleware, header("r", "", "")); got.TraceID != "otel" || out.Get(koppeltaal.HeaderTraceID) != "otel" {
		t.Errorf("%v %+v", out, got)
	}
	if _, got := serveBy(t, tracing.Middleware, header("r", "", "t")); got.TraceID != "t" {
		t.Errorf("%+v", got)
	}
}
