package otelsmart_test

import (
	"context"
	"testing"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	otelsmart "github.com/smartauth-go/smartauth/otel"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// observers are the ways to observe a Source, and not to.
func observers() []struct {
	name     string
	observer smartauth.Observer
} {
	spans := sdktrace.NewTracerProvider(sdktrace.WithSyncer(tracetest.NewInMemoryExporter()))
	return []struct {
		name     string
		observer smartauth.Observer
	}{
		{"none", nil},
		{"noop", otelsmart.NewObserver(otelsmart.WithTracerProvider(tracenoop.NewTracerProvider()), otelsmart.WithMeterProvider(metricnoop.NewMeterProvider()))},
		{"sdk", otelsmart.NewObserver(otelsmart.WithTracerProvider(spans),
			otelsmart.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))))},
	}
}

// cached returns a Source whose token outlives any benchmark.
func cached(tb testing.TB, o smartauth.Observer) *smartauth.Source {
	tb.Helper()
	srv := smarttest.New(tb, smarttest.Options{InMemory: true, TokenLifetime: 24 * time.Hour})
	cfg := srv.NewClient(smarttest.ClientOptions{})
	cfg.Observer = o
	src, err := smartauth.New(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := src.Token(context.Background()); err != nil {
		tb.Fatal(err)
	}
	return src
}

func TestHitAllocations(t *testing.T) {
	for _, o := range observers() {
		src, ctx := cached(t, o.observer), t.Context()
		if n := testing.AllocsPerRun(1000, func() { _, _ = src.Token(ctx) }); n != 0 {
			t.Errorf("observer %s: a hit costs %.0f allocations", o.name, n)
		}
	}
}

// benchmarks/ has the same beside otelhttp.
func BenchmarkHit(b *testing.B) {
	for _, o := range observers() {
		b.Run("observer="+o.name, func(b *testing.B) {
			src, ctx := cached(b, o.observer), b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := src.Token(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
