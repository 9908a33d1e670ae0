package otelsmart

import (
	"context"
	"fmt"
	"sync"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// ScopeName is the name of the instrumentation scope.
const ScopeName = "github.com/smartauth-go/smartauth/otel"

// An Observer turns what a [smartauth.Source] does into spans and metrics. Make one with [NewObserver]; any number of Sources
// may share it. Of Sources with the same attributes the gauges show the one to worry about. Observers of one MeterProvider
// report together.
type Observer struct {
	config
	tracer  trace.Tracer
	metrics *metrics
	closed  sync.Once
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
	return &Observer{config: c, tracer: newTracer(c.tracers), metrics: metricsOf(c.meters, c.clientID)}
}

// newTracer returns one that does nothing if the provider panics, as a nil pointer may.
func newTracer(p trace.TracerProvider) (t trace.Tracer) {
	defer func() {
		if r := recover(); r != nil {
			handlePanic("the TracerProvider", r)
			t = tracenoop.NewTracerProvider().Tracer(ScopeName)
		}
	}()
	return p.Tracer(ScopeName, trace.WithInstrumentationVersion(version), trace.WithSchemaURL(semconv.SchemaURL))
}

func handlePanic(whose string, r any) {
	otel.Handle(fmt.Errorf("otelsmart: panic in %s: %v", whose, r))
}

// Close stops the Observer from reporting the metrics that are asked for at each collection, of the Sources that were made with
// it. Spans go on.
func (o *Observer) Close() (err error) {
	o.closed.Do(func() { err = o.metrics.release(o) })
	return err
}

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
	request := !s.Shared && (s.Phase == smartauth.PhaseDiscover || s.Phase == smartauth.PhaseExchange)
	if !request || !o.instrumented {
		ctx, p.span = o.startSpan(ctx, s)
		if request {
			o.inject(ctx, s)
		}
	}
	return context.WithValue(ctx, phaseKey{o}, p)
}

// inject outlives a propagator that panics, so that the span does too.
func (o *Observer) inject(ctx context.Context, s smartauth.PhaseStart) {
	defer func() {
		if r := recover(); r != nil {
			handlePanic("the propagator", r)
		}
	}()
	o.propagators.Inject(ctx, propagation.HeaderCarrier(s.Header))
}

// PhaseEnd implements [smartauth.Observer].
func (o *Observer) PhaseEnd(ctx context.Context, e smartauth.PhaseEnd) {
	p := o.phaseOf(ctx)
	if p == nil || p.Phase != e.Phase { // its PhaseStart panicked, as a sampler of the application's may
		return
	}
	failure := errorType(e.Err)
	if e.Phase == smartauth.PhaseAcquire { // first, as an exporter may panic
		o.metrics.acquired(ctx, p, e, failure)
	}
	if p.span != nil {
		p.span.SetAttributes(endAttributes(p, e)...)
		endSpan(p.span, e.Err, failure)
	}
}

// SourceCreated implements [smartauth.SourceObserver].
func (o *Observer) SourceCreated(s *smartauth.Source) { o.metrics.watch(s, o) }

// Rejected implements [smartauth.RejectionObserver].
func (o *Observer) Rejected(ctx context.Context, r smartauth.Rejection) { o.metrics.rejected(ctx, r) }

// BearerSkipped implements [smartauth.SkipObserver].
func (o *Observer) BearerSkipped(ctx context.Context, s smartauth.BearerSkipped) {
	o.metrics.skippedBearer(ctx, s)
}
