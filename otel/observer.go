package otelsmart

import (
	"context"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// ScopeName is the name of the instrumentation scope.
const ScopeName = "github.com/smartauth-go/smartauth/otel"

// An Observer turns what a [smartauth.Source] does into spans and metrics. Make one with [NewObserver]; any number of Sources
// may share it.
type Observer struct {
	config
	tracer  trace.Tracer
	metrics *metrics
}

var (
	_ smartauth.Observer          = (*Observer)(nil)
	_ smartauth.SourceObserver    = (*Observer)(nil)
	_ smartauth.RejectionObserver = (*Observer)(nil)
	_ smartauth.SkipObserver      = (*Observer)(nil)
)

// NewObserver returns an Observer for smartauth.Config. What keeps a metric from being made goes to OpenTelemetry's error
// handler, and the others are there all the same.
func NewObserver(opts ...Option) *Observer {
	c := newConfig(opts)
	return &Observer{
		config:  c,
		tracer:  c.tracers.Tracer(ScopeName, trace.WithInstrumentationVersion(version)),
		metrics: newMetrics(c.meters.Meter(ScopeName, metric.WithInstrumentationVersion(version)), c.clientID),
	}
}

// Close stops the Observer from reporting the metrics that are asked for at each collection. Spans go on.
func (o *Observer) Close() error { return o.metrics.close() }

// phase is one under way, kept in its context under a key of our own: the span that is active there may be another's, and so
// may what another Observer keeps there.
type phase struct {
	smartauth.PhaseStart
	span   trace.Span // nil if there is none of ours
	began  time.Time
	within *phase // the acquisition, nil outside of one

	exchanges int // of an acquisition, so far
}

type phaseKey struct{ *Observer }

// phaseOf returns the innermost phase of ctx, nil if there is none.
func (o *Observer) phaseOf(ctx context.Context) *phase {
	p, _ := ctx.Value(phaseKey{o}).(*phase)
	return p
}

// PhaseStart implements [smartauth.Observer].
func (o *Observer) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	p := &phase{PhaseStart: s, began: time.Now()}
	if outer := o.phaseOf(ctx); outer != nil && outer.Phase == smartauth.PhaseAcquire && outer.Source == s.Source {
		p.within = outer
		if s.Phase == smartauth.PhaseExchange {
			outer.exchanges++
		}
	}
	ctx = o.inParent(ctx, p)
	request := s.Phase == smartauth.PhaseDiscover || s.Phase == smartauth.PhaseExchange
	if !request || !o.instrumented {
		ctx, p.span = o.startSpan(ctx, s)
		if request {
			o.propagators.Inject(ctx, propagation.HeaderCarrier(s.Header))
		}
	}
	return context.WithValue(ctx, phaseKey{o}, p)
}

// PhaseEnd implements [smartauth.Observer].
func (o *Observer) PhaseEnd(ctx context.Context, e smartauth.PhaseEnd) {
	p := o.phaseOf(ctx)
	if p == nil || p.Phase != e.Phase { // its PhaseStart panicked, as a sampler of the application's may
		return
	}
	failure := errorType(e.Err)
	if p.span != nil {
		p.span.SetAttributes(endAttributes(p, e)...)
		endSpan(p.span, e.Err, failure)
	}
	if e.Phase == smartauth.PhaseAcquire {
		o.metrics.acquired(ctx, p, time.Since(p.began), failure)
	}
}

// SourceCreated implements [smartauth.SourceObserver].
func (o *Observer) SourceCreated(s *smartauth.Source) { o.metrics.watch(s) }

// Rejected implements [smartauth.RejectionObserver].
func (o *Observer) Rejected(ctx context.Context, r smartauth.Rejection) { o.metrics.rejected(ctx, r) }

// BearerSkipped implements [smartauth.SkipObserver].
func (o *Observer) BearerSkipped(ctx context.Context, s smartauth.BearerSkipped) {
	o.metrics.skippedBearer(ctx, s)
}
