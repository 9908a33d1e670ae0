package otelsmart

import (
	"runtime"
	"testing"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

func TestPorts(t *testing.T) {
	for raw, want := range map[string]int{"https://a.example/x": 443, "http://a.example": 80, "https://a.example:8443": 8443, "http://[::1]:81": 81} {
		got := serverAttributes(raw)
		if len(got) != 2 || got[1] != semconv.ServerPort(want) {
			t.Errorf("%s: %v", raw, got)
		}
	}
}

// There may be no collections that would clean up.
func TestSourcesAreForgotten(t *testing.T) {
	o := NewObserver(WithMeterProvider(sdkmetric.NewMeterProvider()))
	cfg := smarttest.New(t, smarttest.Options{InMemory: true}).NewClient(smarttest.ClientOptions{})
	cfg.Observer = o
	for range 100 {
		if _, err := smartauth.New(cfg); err != nil {
			t.Fatal(err)
		}
	}
	left := func() int {
		runtime.GC()
		o.metrics.mu.Lock()
		defer o.metrics.mu.Unlock()
		return len(o.metrics.sources)
	}
	for range 200 {
		if left() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d sources are remembered", left())
}

// The metrics of a provider go with it.
func TestProvidersAreForgotten(t *testing.T) {
	key := func() bool {
		p := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
		first, again, other := metricsOf(p, false), metricsOf(p, false), metricsOf(p, true)
		return first == again && first != other
	}
	if !key() {
		t.Error("the metrics are not shared")
	}
	alive := func() (n int) {
		runtime.GC()
		sharedMu.Lock()
		defer sharedMu.Unlock()
		for _, p := range shared {
			if p.Value() != nil {
				n++
			}
		}
		return n
	}
	before := alive()
	for range 10 {
		key()
	}
	for range 200 {
		if alive() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d providers are kept, and were %d", alive(), before)
}
