package otelsmart_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
	otelsmart "github.com/smartauth-go/smartauth/otel"
	"go.opentelemetry.io/otel/trace"
)

// instrumented is what otelhttp does: a span for each request, in the trace of its context.
type instrumented struct {
	w    *world
	base http.RoundTripper
}

func (i instrumented) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, span := i.w.provider.Tracer("http").Start(r.Context(), r.Method, trace.WithSpanKind(trace.SpanKindClient))
	defer span.End()
	return i.base.RoundTrip(r.WithContext(ctx))
}

// The requests of an instrumented client are reported once, by the client, and where they belong.
func TestWithInstrumentedClient(t *testing.T) {
	inWorld(t, func(w *world) {
		w.cfg.HTTPClient = &http.Client{Transport: instrumented{w, w.Transport()}}
	}, func(w *world) {
		w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Status: http.StatusServiceUnavailable})
		w.must("request")
		time.Sleep(290 * time.Second)
		w.must("near its end")
		ctx, end := w.request(w.Context(), "asks for the metadata")
		if _, err := w.source(w.cfg).Metadata(ctx); err != nil {
			w.Fatal(err)
		}
		end()
		w.drawn(`
		request server
		  smartauth.token.acquire internal attempts=2 refresh.reason=initial token.source=network
		    GET client
		    smartauth.sign internal
		    POST client
		    smartauth.sign internal
		    POST client
		near its end server
		smartauth.token.acquire internal attempts=1 refresh.reason=expiring token.source=network -> near its end
		  smartauth.sign internal
		  POST client
		asks for the metadata server
		  GET client`, common...)
		for _, r := range w.Requests(smarttest.Discovery, smarttest.TokenEndpoint) {
			if r.Header.Get("Traceparent") != "" {
				w.Error("our traceparent stands in the way of the client's")
			}
		}
	}, otelsmart.WithInstrumentedClient())
}
