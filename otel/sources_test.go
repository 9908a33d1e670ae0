package otelsmart_test

import (
	"context"
	"net/http"
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
	w := newWorld(t)
	for range 2 { // on ports of their own
		cfg := smarttest.New(t, smarttest.Options{}).NewClient(smarttest.ClientOptions{})
		cfg.Observer = w.observer
		if _, err := w.source(cfg).Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	w.allEndedSoon()
	if got := w.points(requests, "server.port"); len(got) != 2 {
		t.Errorf("requests %v, want those of two servers apart", got)
	}
}

// Observers of one provider report together, until the last is closed.
func TestObserversOfOneProvider(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.must("first")
		time.Sleep(100 * time.Second)
		second := otelsmart.NewObserver(otelsmart.WithMeterProvider(w.meters))
		w.cfg.Observer = second
		first, other := w.src, w.source(w.cfg)
		if _, err := other.Token(w.Context()); err != nil {
			w.Fatal(err)
		}
		_ = otelsmart.NewObserver(otelsmart.WithMeterProvider(w.meters))
		left := func() []metricdata.DataPoint[float64] {
			data, _ := w.metrics()[remaining].Data.(metricdata.Gauge[float64])
			return data.DataPoints
		}
		if got := left(); len(got) != 1 || got[0].Value != 200 {
			w.Errorf("remaining %v, want that of the first", got)
		}
		if got := w.points(requests, "smartauth.token.source"); got["network"] != 2 {
			w.Errorf("requests %v", got)
		}
		for range 2 { // once
			if err := w.observer.Close(); err != nil {
				w.Error(err)
			}
		}
		if got := left(); len(got) != 1 || got[0].Value != 300 {
			w.Errorf("remaining %v, want that of the second", got)
		}
		runtime.KeepAlive(first)
		runtime.KeepAlive(other)
	})
}

// A Source that nobody asks any more must not hide the others.
func TestIdleSource(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		left := func() []metricdata.DataPoint[float64] {
			data, _ := w.metrics()[remaining].Data.(metricdata.Gauge[float64])
			return data.DataPoints
		}
		if _, known := w.metrics()[offset]; known || len(left()) != 0 {
			w.Error("gauges before there is a token")
		}
		w.must("first")
		time.Sleep(400 * time.Second)
		if got := left(); len(got) != 0 {
			w.Errorf("remaining %v of a source that is idle", got)
		}
		active := w.source(w.cfg)
		if _, err := active.Token(w.Context()); err != nil {
			w.Fatal(err)
		}
		if got := left(); len(got) != 1 || got[0].Value != 300 {
			w.Errorf("remaining %v, want that of the active one", got)
		}
		w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
		_, _ = w.call("fails")
		if got := left(); len(got) != 1 || got[0].Value != 0 {
			w.Errorf("remaining %v, want that of the one that fails", got)
		}
		runtime.KeepAlive(active)
	})
}

// A response of a cache, or without a Date, tells nothing of the clock.
func TestClockThatIsNotKnown(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Header: http.Header{"Age": {"7"}}})
		w.must("first")
		if _, known := w.metrics()[offset]; known {
			w.Error("the clock is said to be known")
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
