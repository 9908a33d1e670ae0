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

// phase is one under way, kept in its context under a key of our own: the span that is active there may be another's.
type phase struct {
	smartauth.PhaseStart
	span   trace.Span // nil if there is none of ours
	began  time.Time
	within *phase // the acquisition, nil outside of one

	exchanges int // of an acquisition, so far
}

type phaseKey struct{}

// PhaseStart implements [smartauth.Observer].
func (o *Observer) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	p := &phase{PhaseStart: s, began: time.Now()}
	p.within, _ = ctx.Value(phaseKey{}).(*phase)
	request := s.Phase == smartauth.PhaseDiscover || s.Phase == smartauth.PhaseExchange
	if s.Phase == smartauth.PhaseExchange && p.within != nil {
		p.within.exchanges++
	}
	if !request || !o.instrumented {
		ctx, p.span = o.startSpan(ctx, s)
		if request {
			o.propagators.Inject(ctx, propagation.HeaderCarrier(s.Header))
		}
	}
	return context.WithValue(ctx, phaseKey{}, p)
}

// PhaseEnd implements [smartauth.Observer].
func (o *Observer) PhaseEnd(ctx context.Context, e smartauth.PhaseEnd) {
	p, ok := ctx.Value(phaseKey{}).(*phase)
	if !ok {
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
