package otelsmart_test

import (
	"context"
	"testing"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	otelsmart "github.com/smartauth-go/smartauth/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/metric/metricdata/metricdatatest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// at returns the attributes of the token endpoint and more, given in pairs.
func (w *world) at(more ...string) attribute.Set {
	list := server(w.AuthOrigin())
	for i := 0; i < len(more); i += 2 {
		list = append(list, attribute.String(more[i], more[i+1]))
	}
	return attribute.NewSet(list...)
}

func server(origin string) []attribute.KeyValue {
	host, port := hostPort(origin)
	number := 0
	for _, digit := range port {
		number = number*10 + int(digit-'0')
	}
	return []attribute.KeyValue{semconv.ServerAddress(host), semconv.ServerPort(number)}
}

func sum(unit, name, description string, points ...metricdata.DataPoint[int64]) metricdata.Metrics {
	return metricdata.Metrics{Name: name, Unit: unit, Description: description, Data: metricdata.Sum[int64]{
		Temporality: metricdata.CumulativeTemporality, IsMonotonic: true, DataPoints: points}}
}

func gauge(name, description string, points ...metricdata.DataPoint[float64]) metricdata.Metrics {
	return metricdata.Metrics{Name: name, Unit: "s", Description: description, Data: metricdata.Gauge[float64]{DataPoints: points}}
}

func histogram(name, description string, points ...metricdata.HistogramDataPoint[float64]) metricdata.Metrics {
	for i := range points {
		points[i].Bounds = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30}
	}
	return metricdata.Metrics{Name: name, Unit: "s", Description: description, Data: metricdata.Histogram[float64]{
		Temporality: metricdata.CumulativeTemporality, DataPoints: points}}
}

// once is a duration that was recorded once, and fell into the given bucket.
func once(seconds float64, bucket int, attributes attribute.Set) metricdata.HistogramDataPoint[float64] {
	counts := make([]uint64, 16)
	counts[bucket] = 1
	return metricdata.HistogramDataPoint[float64]{Attributes: attributes, Count: 1, Sum: seconds, BucketCounts: counts,
		Min: metricdata.NewExtrema(seconds), Max: metricdata.NewExtrema(seconds)}
}

func count(n int64, attributes attribute.Set) metricdata.DataPoint[int64] {
	return metricdata.DataPoint[int64]{Attributes: attributes, Value: n}
}

func value(v float64, attributes attribute.Set) metricdata.DataPoint[float64] {
	return metricdata.DataPoint[float64]{Attributes: attributes, Value: v}
}

const (
	requests  = "smartauth.token.requests"
	remaining = "smartauth.token.remaining"
	offset    = "smartauth.clock.offset"
)

func TestMetricsInFull(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.SetClockOffset(smarttest.AuthServer, 4*time.Second)
		w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Delay: time.Second})
		go func() { _, _ = w.call("leader") }()
		time.Sleep(100 * time.Millisecond)
		w.must("waiter")
		for range 5 {
			w.must("hit")
		}
		w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 401})
		time.Sleep(290 * time.Second)
		w.must("sets off a refresh")
		w.must("stale")
		time.Sleep(11 * time.Second)
		_, _ = w.call("fails")
		_, _ = w.call("in the cool-down")
		for _, o := range []smartauth.Outcome{smartauth.OutcomeRecovered, smartauth.OutcomeRecovered, smartauth.OutcomeSuppressed} {
			w.src.Rejected(w.Context(), smartauth.Rejection{Outcome: o})
		}
		w.src.BearerSkipped(w.Context(), smartauth.BearerSkipped{Reason: smartauth.SkipOptOut})

		grant, reason, source := "smartauth.grant_type", "smartauth.refresh.reason", "smartauth.token.source"
		rejected := append(server(w.AuthOrigin()), semconv.HTTPResponseStatusCode(401))
		want := []metricdata.Metrics{
			histogram("smartauth.token.acquisition.duration", "Duration of token acquisitions, with all their attempts.",
				once(1, 9, w.at(grant, "client_credentials", reason, "initial")),
				once(0, 0, w.at(grant, "client_credentials", reason, "expiring", "error.type", "401")),
				once(0, 0, w.at(grant, "client_credentials", reason, "expired", "error.type", "401"))),
			histogram("smartauth.token.wait.duration", "How long callers waited for a token acquisition that another call had set off.",
				once(0.9, 9, w.at(grant, "client_credentials", reason, "initial"))),
			sum("{request}", requests, "Tokens asked of the source, by where they came from.",
				count(1, w.at(source, "network")), count(1, w.at(source, "shared")), count(6, w.at(source, "cache")), count(1, w.at(source, "stale")),
				count(1, w.at(source, "network", "error.type", "401")), count(1, w.at(source, "none", "error.type", "cool_down"))),
			gauge(remaining, "How long the current token still lives. Near zero, refreshing fails while the old token still works.", value(0, w.at())),
			gauge(offset, "The authorization server's clock minus the local one, at the last token response.", value(4, w.at())),
			sum("{response}", "smartauth.rejections", "Requests with a token that the FHIR server answered with 401, by what became of them.",
				count(2, attribute.NewSet(append(rejected, attribute.String("smartauth.outcome", "recovered"))...)),
				count(1, attribute.NewSet(append(rejected, attribute.String("smartauth.outcome", "suppressed"))...))),
			sum("{request}", "smartauth.bearer.skipped", "Requests that went without a token, by the reason why.", count(1, w.at("smartauth.skip.reason", "opt_out"))),
		}
		got := w.metrics()
		for _, m := range want {
			metricdatatest.AssertEqual(w.T, m, got[m.Name], metricdatatest.IgnoreTimestamp(), metricdatatest.IgnoreExemplars())
		}
		if len(got) != len(want) {
			w.Errorf("%d metrics, want %d", len(got), len(want))
		}
	})
}

// points returns the values of a counter by one of its attributes.
func (w *world) points(name string, by attribute.Key) map[string]int64 {
	w.Helper()
	found := map[string]int64{}
	if data, ok := w.metrics()[name].Data.(metricdata.Sum[int64]); ok {
		for _, p := range data.DataPoints {
			v, _ := p.Attributes.Value(by)
			found[v.String()] += p.Value
		}
	}
	return found
}

// A caller who asks for a token while a refresh is on its way, and has none, waits for it and is counted.
func TestWaiterForABackgroundRefreshIsCounted(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.must("first")
		w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Delay: 12 * time.Second})
		time.Sleep(295 * time.Second)
		go func() { _, _ = w.call("sets off a refresh") }()
		time.Sleep(6 * time.Second)
		w.must("waiter")
		if got := w.points(requests, "smartauth.token.source"); got["network"] != 1 || got["cache"] != 1 || got["shared"] != 1 {
			w.Errorf("requests %v, want one of each", got)
		}
	})
}

func TestWithClientID(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.must("first")
		w.must("hit")
		w.src.Rejected(w.Context(), smartauth.Rejection{Outcome: smartauth.OutcomeFailed})
		w.src.BearerSkipped(w.Context(), smartauth.BearerSkipped{Reason: smartauth.SkipOptOut})
		got := w.metrics()
		for _, m := range got {
			metricdatatest.AssertHasAttributes(w.T, m, attribute.String("smartauth.client_id", "app"))
		}
		if len(got) != 6 { // nobody has waited
			w.Errorf("%d metrics", len(got))
		}
		w.drawn(`
		first server
		  smartauth.token.acquire internal attempts=1 client_id=app refresh.reason=initial token.source=network
		    smartauth.discover client http.response.status_code=200
		    smartauth.sign internal
		    smartauth.exchange client http.response.status_code=200
		hit server`, common...)
	}, otelsmart.WithClientID())
}

// An adapter over another TokenSource reports what has no Source.
func TestEventsWithoutASource(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.observer.Rejected(context.Background(), smartauth.Rejection{Outcome: smartauth.OutcomeFailed})
		w.observer.BearerSkipped(context.Background(), smartauth.BearerSkipped{Reason: smartauth.SkipOptOut})
		if got := w.points("smartauth.rejections", "smartauth.outcome"); got["failed"] != 1 {
			w.Errorf("rejections %v", got)
		}
		if got := w.points("smartauth.bearer.skipped", "smartauth.skip.reason"); got["opt_out"] != 1 {
			w.Errorf("skipped %v", got)
		}
	})
}
