package traces_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

// world is a sandbox and a client of it on one of the stacks.
type world struct {
	*testing.T
	*smarttest.Server
	src  *smartauth.Source
	call call
}

func (w *world) get(ctx context.Context) http.Header {
	w.Helper()
	status, header, err := w.call(ctx, w.BaseURL()+"/Patient/patient-1", nil)
	if status != http.StatusOK || err != nil {
		w.Errorf("%d %v", status, err)
	}
	return header
}

// follow wants n requests to e after the first ones, which correlate to request, are in trace, and have ids of their own.
func (w *world) follow(e smarttest.Endpoint, after, n int, request, trace string) {
	w.Helper()
	all := idsOf(w.Server, e)[after:]
	if len(all) != n {
		w.Errorf("%d requests to %v, want %d", len(all), e, n)
	}
	seen := map[string]bool{"": true, request: true, trace: true}
	for _, r := range all {
		if r.correlation != request || r.trace != trace || seen[r.request] {
			w.Errorf("%v: %+v, want one caused by %q in %q", e, r, request, trace)
		}
		seen[r.request] = true
	}
}

// What sets off a request gives it its correlation and its trace, and the same to the token request that it needs (TOP-KT-011).
func TestCausesOnAllStacks(t *testing.T) {
	const otel = "4bf92f3577b34da6a3ce929d0e0e4736"
	served := koppeltaal.Trace{RequestID: "request-1", CorrelationID: "correlation-1", TraceID: "trace-1"}
	ofOtel := koppeltaal.Tracing{TraceID: func(context.Context) string { return otel }}
	for cause, c := range map[string]struct {
		tracing koppeltaal.Tracing
		test    func(*world)
	}{
		// After a 401, what follows from the response is caused by the request that was sent again.
		"a response": {test: func(w *world) {
			ctx := koppeltaal.WithTrace(w.Context(), served)
			w.get(ctx)
			w.RevokeAll()
			header := w.get(ctx)
			before := idsOf(w.Server, smarttest.FHIR)
			w.follow(smarttest.FHIR, 0, 3, "request-1", "trace-1")
			w.RevokeAll()
			w.get(koppeltaal.CausedBy(ctx, header))
			answered := before[len(before)-1].request
			w.follow(smarttest.FHIR, len(before), 2, answered, "trace-1")
			w.follow(smarttest.TokenEndpoint, 2, 1, answered, "trace-1")
		}},
		"a response outside of any trace": {test: func(w *world) {
			header := w.get(w.Context())
			first := idsOf(w.Server, smarttest.FHIR)[0]
			w.RevokeAll()
			w.get(koppeltaal.CausedBy(w.Context(), header))
			w.follow(smarttest.FHIR, 1, 2, first.request, first.trace)
			w.follow(smarttest.TokenEndpoint, 1, 1, first.request, first.trace)
		}},
		// The jti of its token is the trace id of a launch, before and after the token is introspected.
		"a launch": {test: func(w *world) {
			token := w.LaunchToken(w.src.ClientID(), func(claims map[string]any) { claims["jti"] = "launch-1" })
			ctx := koppeltaal.LaunchTrace(koppeltaal.WithTrace(w.Context(), served), token)
			w.get(ctx)
			launch, err := (&koppeltaal.Client{Source: w.src, HTTPClient: w.Client()}).Launch(ctx, token)
			if err != nil {
				w.Fatal(err)
			}
			w.RevokeAll()
			w.get(launch.Trace(koppeltaal.WithTrace(w.Context(), served)))
			w.follow(smarttest.Introspection, 0, 1, "request-1", "launch-1")
			w.follow(smarttest.FHIR, 0, 3, "request-1", "launch-1")
			w.follow(smarttest.TokenEndpoint, 0, 2, "request-1", "launch-1")
		}},
		// OpenTelemetry's trace id stands in for one that is missing, and never takes the place of one.
		"a span": {ofOtel, func(w *world) {
			w.get(w.Context())
			w.follow(smarttest.FHIR, 0, 1, "", otel)
			w.follow(smarttest.TokenEndpoint, 0, 1, "", otel)
			w.RevokeAll()
			w.get(koppeltaal.WithTrace(w.Context(), served))
			w.follow(smarttest.FHIR, 1, 2, "request-1", "trace-1")
			w.follow(smarttest.TokenEndpoint, 1, 1, "request-1", "trace-1")
		}},
		// A subscription notifies with a new request id and what it was caused by; that goes no further than the handler.
		"a notification": {test: func(w *world) {
			r := httptest.NewRequest(http.MethodPost, "/notify", nil).WithContext(w.Context())
			r.Header = http.Header{koppeltaal.HeaderRequestID: {"request-1"}, koppeltaal.HeaderCorrelationID: {"correlation-1"}, koppeltaal.HeaderTraceID: {"trace-1"}}
			koppeltaal.TraceMiddleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if got := koppeltaal.TraceFrom(r.Context()); got != served {
					w.Errorf("%+v, want %+v", got, served)
				}
				w.get(r.Context())
			})).ServeHTTP(httptest.NewRecorder(), r)
			w.follow(smarttest.FHIR, 0, 1, "request-1", "trace-1")
			w.follow(smarttest.TokenEndpoint, 0, 1, "request-1", "trace-1")
		}},
	} {
		for name, attach := range stacks {
			t.Run(name+" "+cause, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					srv, src, call := start(t, attach, c.tracing)
					c.test(&world{t, srv, src, call})
				})
			})
		}
	}
}
