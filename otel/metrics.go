package otelsmart

import (
	"context"
	"errors"
	"sync"
	"time"
	"weak"

	smartauth "github.com/smartauth-go/smartauth/core"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// buckets are those of the semantic conventions for HTTP durations, and the longest that an acquisition takes.
var buckets = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30}

type metrics struct {
	clientID bool

	duration   metric.Float64Histogram
	wait       metric.Float64Histogram
	rejections metric.Int64Counter
	skipped    metric.Int64Counter
	requests   metric.Int64ObservableCounter
	remaining  metric.Float64ObservableGauge
	clock      metric.Float64ObservableGauge
	collection metric.Registration

	mu      sync.Mutex
	counts  map[attribute.Distinct]*count // of requests; synchronous counters cost ten times a hit
	sources map[weak.Pointer[smartauth.Source]]*watched
}

type count struct {
	attributes attribute.Set
	n          int64
}

// watched is a Source. What it counts is asked for; what it had counted before it was gone is added for it.
type watched struct {
	attributes  []attribute.KeyValue
	hits, stale int64 // seen so far
}

func newMetrics(meter metric.Meter, clientID bool) *metrics {
	m := &metrics{clientID: clientID, counts: map[attribute.Distinct]*count{}, sources: map[weak.Pointer[smartauth.Source]]*watched{}}
	var errs [8]error
	m.duration, errs[0] = meter.Float64Histogram("smartauth.token.acquisition.duration", metric.WithUnit("s"),
		metric.WithDescription("Duration of token acquisitions, with all their attempts."), metric.WithExplicitBucketBoundaries(buckets...))
	m.wait, errs[1] = meter.Float64Histogram("smartauth.token.wait.duration", metric.WithUnit("s"),
		metric.WithDescription("How long callers waited for a token acquisition that another call had set off."), metric.WithExplicitBucketBoundaries(buckets...))
	m.rejections, errs[2] = meter.Int64Counter("smartauth.rejections", metric.WithUnit("{response}"),
		metric.WithDescription("Requests with a token that the FHIR server answered with 401, by what became of them."))
	m.skipped, errs[3] = meter.Int64Counter("smartauth.bearer.skipped", metric.WithUnit("{request}"),
		metric.WithDescription("Requests that went without a token, by the reason why."))
	m.requests, errs[4] = meter.Int64ObservableCounter("smartauth.token.requests", metric.WithUnit("{request}"),
		metric.WithDescription("Tokens asked of the source, by where they came from."))
	m.remaining, errs[5] = meter.Float64ObservableGauge("smartauth.token.remaining", metric.WithUnit("s"),
		metric.WithDescription("How long the current token still lives. Near zero, refreshing fails while the old token still works."))
	m.clock, errs[6] = meter.Float64ObservableGauge("smartauth.clock.offset", metric.WithUnit("s"),
		metric.WithDescription("The authorization server's clock minus the local one, at the last token response."))
	m.collection, errs[7] = meter.RegisterCallback(m.collect, m.requests, m.remaining, m.clock)
	if err := errors.Join(errs[:]...); err != nil {
		otel.Handle(err)
	}
	return m
}

func (m *metrics) close() error { return m.collection.Unregister() }

// acquired counts an acquisition, or a wait for one.
func (m *metrics) acquired(ctx context.Context, p *phase, took time.Duration, failure string) {
	server := m.of(p.Source)
	if failure != "" {
		server = append(server, semconv.ErrorTypeKey.String(failure))
	}
	if !p.Background { // nobody has asked for it
		m.count(append(server[:len(server):len(server)], keySource.String(sourceOf(p.PhaseStart))), 1)
	}
	attributes := metric.WithAttributes(append(server, keyGrantType.String(grantType), keyReason.String(string(p.Reason)))...)
	if p.Shared {
		m.wait.Record(ctx, took.Seconds(), attributes)
	} else {
		m.duration.Record(ctx, took.Seconds(), attributes)
	}
}

func (m *metrics) rejected(ctx context.Context, r smartauth.Rejection) {
	m.rejections.Add(ctx, 1, metric.WithAttributes(append(m.of(r.Source),
		semconv.HTTPResponseStatusCode(401), keyOutcome.String(string(r.Outcome)))...))
}

func (m *metrics) skippedBearer(ctx context.Context, s smartauth.BearerSkipped) {
	m.skipped.Add(ctx, 1, metric.WithAttributes(append(m.of(s.Source), keySkip.String(string(s.Reason)))...))
}

// of returns the attributes of a Source.
func (m *metrics) of(s *smartauth.Source) []attribute.KeyValue {
	list := serverOf(s)
	if m.clientID && s != nil {
		list = append(list, keyClientID.String(s.ClientID()))
	}
	return list
}

func (m *metrics) count(attributes []attribute.KeyValue, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(attribute.NewSet(attributes...), n)
}

func (m *metrics) add(set attribute.Set, n int64) {
	c := m.counts[set.Equivalent()]
	if c == nil {
		c = &count{attributes: set}
		m.counts[set.Equivalent()] = c
	}
	c.n += n
}

func (m *metrics) watch(s *smartauth.Source) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sources[weak.Make(s)] = &watched{}
}

// collect reports what is asked for at each collection.
func (m *metrics) collect(_ context.Context, o metric.Observer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	remaining, clock := gauges{}, gauges{}
	for pointer, w := range m.sources {
		s := pointer.Value()
		if s == nil {
			delete(m.sources, pointer)
			continue
		}
		st := s.Stats()
		set := attribute.NewSet(m.of(s)...)
		m.add(m.from(s, "cache"), int64(st.Hits)-w.hits)
		m.add(m.from(s, "stale"), int64(st.Stale)-w.stale)
		w.hits, w.stale = int64(st.Hits), int64(st.Stale)
		if !st.Expiry.IsZero() {
			remaining.least(set, max(st.Expiry.Sub(now), 0).Seconds())
		}
		if st.ClockKnown {
			clock.farthest(set, st.ClockOffset.Seconds())
		}
	}
	for _, c := range m.counts {
		o.ObserveInt64(m.requests, c.n, metric.WithAttributeSet(c.attributes))
	}
	remaining.observe(o, m.remaining)
	clock.observe(o, m.clock)
	return nil
}

func (m *metrics) from(s *smartauth.Source, source string) attribute.Set {
	return attribute.NewSet(append(m.of(s), keySource.String(source))...)
}
