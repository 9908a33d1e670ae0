package otelsmart_test

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
	otelsmart "github.com/smartauth-go/smartauth/otel"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
)

// Sources with the same attributes are one series: counters add up, and gauges show the one to worry about.
func TestSourcesWithTheSameAttributes(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.must("first")
		w.must("hit")
		time.Sleep(100 * time.Second)
		w.SetClockOffset(smarttest.AuthServer, -3*time.Second)
		cfg := w.NewClient(smarttest.ClientOptions{ID: "another"})
		cfg.Observer = w.observer
		another := w.source(cfg)
		for range 3 {
			if _, err := another.Token(w.Context()); err != nil {
				w.Fatal(err)
			}
		}
		if got := w.points(requests, "smartauth.token.source"); got["network"] != 2 || got["cache"] != 3 {
			w.Errorf("requests %v, want those of both", got)
		}
		for name, want := range map[string]float64{remaining: 200, offset: -3} {
			got := w.metrics()[name].Data.(metricdata.Gauge[float64]).DataPoints
			if len(got) != 1 || got[0].Value != want {
				w.Errorf("%s %v, want %v once", name, got, want)
			}
		}
	})
}

func TestSourcesOfDifferentServers(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		other := newWorld(w.T)
		other.cfg.Observer = w.observer
		other.src = other.source(other.cfg)
		w.must("first")
		if _, err := other.src.Token(w.Context()); err != nil {
			w.Fatal(err)
		}
		if got := w.points(requests, "server.port"); len(got) != 2 && w.AuthOrigin() != other.AuthOrigin() {
			w.Errorf("requests %v, want those of two servers apart", got)
		}
	})
}

// What a Source counted stays when it is gone; what it would tell of its token does not.
func TestSourceThatIsGone(t *testing.T) {
	w := newWorld(t)
	func() {
		src := w.source(w.cfg)
		for range 5 {
			if _, err := src.Token(w.Context()); err != nil {
				w.Fatal(err)
			}
		}
	}()
	if got := w.points(requests, "smartauth.token.source"); got["network"] != 1 || got["cache"] != 4 {
		w.Fatalf("requests %v", got)
	}
	gone := func() bool {
		runtime.GC()
		_, found := w.metrics()[remaining]
		return !found
	}
	for range 200 {
		if gone() {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if !gone() {
		w.Error("the observer keeps its sources alive")
	}
	if got := w.points(requests, "smartauth.token.source"); got["network"] != 1 || got["cache"] != 4 {
		w.Errorf("requests %v, want as many as before", got)
	}
}

func TestClose(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.must("first")
		if err := w.observer.Close(); err != nil {
			w.Error(err)
		}
		if err := w.observer.Close(); err != nil {
			w.Errorf("the second time: %v", err)
		}
		w.must("hit")
		got := w.metrics()
		for _, name := range []string{requests, remaining, offset} {
			if m, found := got[name]; found {
				w.Errorf("%s is still reported: %v", name, m.Data)
			}
		}
		time.Sleep(301 * time.Second)
		w.must("later") // and its spans go on
		if n := len(w.recorder.Ended()); n != 3+4+3 {
			w.Errorf("%d spans, want 10", n)
		}
	})
}

// Each reader gets the same sums, whoever reads first.
func TestTwoReaders(t *testing.T) {
	first, second := sdkmetric.NewManualReader(), sdkmetric.NewManualReader()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(first), sdkmetric.WithReader(second))
	inWorld(t, nil, func(w *world) {
		w.must("first")
		for range 4 {
			w.must("hit")
			var got [2]metricdata.ResourceMetrics
			for i, r := range []sdkmetric.Reader{first, second} {
				if err := r.Collect(context.Background(), &got[i]); err != nil {
					w.Fatal(err)
				}
			}
			metricdatatest.AssertEqual(w.T, got[0], got[1], metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
		}
	}, otelsmart.WithMeterProvider(meters))
}
