package stacks

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
	otelsmart "github.com/smartauth-go/smartauth/otel"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"
)

// With a token client under otelhttp each HTTP request is one span, below the acquisition it was made for.
func TestWithOtelhttp(t *testing.T) {
	onEachStack(t, func(w *world) *http.Client {
		return &http.Client{Transport: otelhttp.NewTransport(w.Transport(), otelhttp.WithTracerProvider(w.provider),
			otelhttp.WithPropagators(propagation.TraceContext{}))}
	}, func(w *world) {
		w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Status: http.StatusServiceUnavailable})
		w.within(w.Context(), "first", 200)
		time.Sleep(290 * time.Second)
		w.within(w.Context(), "near its end", 200)
		synctest.Wait()
		const want = `first
- acquire initial
- - HTTP GET
- - sign
- - HTTP POST 503!
- - sign
- - HTTP POST
near its end
acquire expiring -> near its end
- sign
- HTTP POST
`
		if got := w.draw(); got != want {
			w.Errorf("spans:\n%s\nwant:\n%s", got, want)
		}
		sent := w.Requests(smarttest.Discovery, smarttest.TokenEndpoint)
		for _, r := range sent {
			if len(r.Header.Values("Traceparent")) != 1 {
				w.Errorf("%s with traceparents %q, want one", r.RequestURI, r.Header.Values("Traceparent"))
			}
		}
		if len(sent) != 4 {
			w.Errorf("%d requests, want 4", len(sent))
		}
	}, otelsmart.WithInstrumentedClient())
}
