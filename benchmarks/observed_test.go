package benchmarks

import (
	"net/http"
	"testing"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	otelsmart "github.com/smartauth-go/smartauth/otel"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// observedPeers are a hit without an Observer, with one over no-op providers and over the SDK, and for comparison what
// otelhttp with no-op providers costs a request.
func observedPeers(tb testing.TB) []tokenPeer {
	tb.Helper()
	hit := func(o smartauth.Observer) func() error {
		cfg := smarttest.New(tb, smarttest.Options{TokenLifetime: tokenLifetime}).NewClient(smarttest.ClientOptions{})
		cfg.Observer = o
		src, err := smartauth.New(cfg)
		if err != nil {
			tb.Fatal(err)
		}
		ctx := tb.Context()
		if _, err := src.Token(ctx); err != nil {
			tb.Fatal(err)
		}
		return func() error { _, err := src.Token(ctx); return err }
	}
	noSpans, noMetrics := tracenoop.NewTracerProvider(), metricnoop.NewMeterProvider()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))

	base := &answer{response: http.Response{StatusCode: http.StatusOK, Body: http.NoBody}}
	transport := otelhttp.NewTransport(base, otelhttp.WithTracerProvider(noSpans), otelhttp.WithMeterProvider(noMetrics))
	r, err := http.NewRequestWithContext(tb.Context(), http.MethodGet, "https://fhir.example.nl/fhir/Patient", nil)
	if err != nil {
		tb.Fatal(err)
	}
	return []tokenPeer{
		{"unobserved", hit(nil)},
		{"noop", hit(otelsmart.NewObserver(otelsmart.WithTracerProvider(noSpans), otelsmart.WithMeterProvider(noMetrics)))},
		{"sdk", hit(otelsmart.NewObserver(otelsmart.WithTracerProvider(sdktrace.NewTracerProvider()), otelsmart.WithMeterProvider(meters)))},
		{"otelhttp", func() error { _, err := transport.RoundTrip(r); return err }},
	}
}

func BenchmarkObserved(b *testing.B) {
	for _, p := range inTurn(observedPeers(b)) {
		b.Run("peer="+p.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := p.token(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestObservedAllocations(t *testing.T) {
	for _, p := range observedPeers(t)[:3] {
		if n := testing.AllocsPerRun(1000, func() { _ = p.token() }); n != 0 {
			t.Errorf("%s: a hit costs %.0f allocations, want none", p.name, n)
		}
	}
}
