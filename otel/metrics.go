package otelsmart

import (
	"context"
	"errors"
	"net/http"
	"runtime"
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
	provider metric.MeterProvider // lives as long, so that no other has its address

	duration   metric.Float64Histogram
	wait       metric.Float64Histogram
	rejections metric.Int64Counter
	skipped    metric.Int64Counter
	requests   metric.Int64ObservableCounter
	remaining  metric.Float64ObservableGauge
	clock      metric.Float64ObservableGauge
	collection metric.Registration
	users      int // Observers that are not closed, guarded by sharedMu

	mu      sync.Mutex
	counts  map[attribute.Distinct]*count // of requests; synchronous counters cost ten times a hit
	sources map[weak.Pointer[smartauth.Source]]*watched
}

type count struct {
	attributes attribute.Set
	n          int64
}

// watched is a Source whose counters are asked for at each collection. What it counted after the last one before it is
// garbage goes with it.
type watched struct {
	observer            *Observer // that it was made with
	hits, stale, failed uint64    // seen so far
	skips               map[skip][]metric.AddOption
}

type skip struct {
	endpoint string
	reason   smartauth.SkipReason
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

// acquired counts an acquisition, or a wait for one.
func (m *metrics) acquired(ctx context.Context, p *phase, e smartauth.PhaseEnd, failure string) {
	if p.Shared && e.Err != nil && failure == "" { // a waiter who gave up, and got nothing
		return
	}
	var failed []attribute.KeyValue
	if failure != "" {
		failed = append(failed, semconv.ErrorTypeKey.String(failure))
	}
	switch {
	case e.Stale:
		m.count(m.from(p.Source, keySource.String("stale")))
	case p.Shared || !p.Background: // somebody has asked for it
		m.count(m.from(p.Source, append(failed, keySource.String(sourceOf(p.PhaseStart)))...))
	}
	attributes := metric.WithAttributeSet(m.from(p.Source, append(failed, keyGrantType.String(grantType), keyReason.String(string(p.Reason)))...))
	took := time.Since(p.began).Seconds()
	if p.Shared {
		m.wait.Record(ctx, took, attributes)
	} else {
		m.duration.Record(ctx, took, attributes)
	}
}

func (m *metrics) rejected(ctx context.Context, r smartauth.Rejection) {
	m.rejections.Add(ctx, 1, metric.WithAttributeSet(m.from(r.Source,
		semconv.HTTPResponseStatusCode(http.StatusUnauthorized), keyOutcome.String(string(r.Outcome)))))
}

// skippedBearer is called for every request of a kind, so it keeps the attributes.
func (m *metrics) skippedBearer(ctx context.Context, s smartauth.BearerSkipped) {
	m.skipped.Add(ctx, 1, m.skipOptions(s)...)
}

func (m *metrics) skipOptions(s smartauth.BearerSkipped) []metric.AddOption {
	fresh := func() []metric.AddOption {
		return []metric.AddOption{metric.WithAttributeSet(m.from(s.Source, keySkip.String(string(s.Reason))))}
	}
	if s.Source == nil {
		return fresh()
	}
	key := skip{s.Source.Stats().TokenEndpoint, s.Reason}
	m.mu.Lock()
	defer m.mu.Unlock()
	w := m.sources[weak.Make(s.Source)]
	if w == nil {
		return fresh()
	}
	opts := w.skips[key]
	if opts == nil {
		opts = fresh()
		w.skips[key] = opts
	}
	return opts
}

func (m *metrics) count(set attribute.Set) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.add(set, 1)
}

// add leaves out what never happened. The caller holds m.mu.
func (m *metrics) add(set attribute.Set, n uint64) {
	if n == 0 {
		return
	}
	c := m.counts[set.Equivalent()]
	if c == nil {
		c = &count{attributes: set}
		m.counts[set.Equivalent()] = c
	}
	c.n += int64(n)
}

func (m *metrics) watch(s *smartauth.Source, o *Observer) {
	pointer := weak.Make(s)
	m.mu.Lock()
	m.sources[pointer] = &watched{observer: o, skips: map[skip][]metric.AddOption{}}
	m.mu.Unlock()
	runtime.AddCleanup(s, m.forget, pointer) // there may be no collections
}

func (m *metrics) forget(pointer weak.Pointer[smartauth.Source]) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sources, pointer)
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
			continue // about to be forgotten
		}
		st := s.Stats()
		set := m.from(s)
		m.add(m.from(s, keySource.String("cache")), st.Hits-w.hits)
		m.add(m.from(s, keySource.String("stale")), st.Stale-w.stale)
		m.add(m.from(s, keySource.String("none"), semconv.ErrorTypeKey.String("cool_down")), st.Failed-w.failed)
		w.hits, w.stale, w.failed = st.Hits, st.Stale, st.Failed
		if st.Expiry.After(now) || st.Failing && !st.Expiry.IsZero() { // else nobody needs one
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

// from returns the attributes of a Source, and more.
func (m *metrics) from(s *smartauth.Source, more ...attribute.KeyValue) attribute.Set {
	list := serverOf(s)
	if m.clientID && s != nil {
		list = append(list, keyClientID.String(s.ClientID()))
	}
	return attribute.NewSet(append(list, more...)...)
}
