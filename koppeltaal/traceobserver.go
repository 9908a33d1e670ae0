package koppeltaal

import (
	"context"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// NewTraceObserver returns an Observer that sets the headers of TOP-KT-011 on the requests of a [smartauth.Source]. A token request
// belongs to the request that set it off: it has the same trace and correlation ids, and a request id of its own. One in the
// background was caused by none in particular, and begins a trace. [smartauth.MultiObserver] takes others beside it.
func NewTraceObserver() smartauth.Observer { return Tracing{}.Observer() }

// Observer is [NewTraceObserver] with the setting of t.
func (t Tracing) Observer() smartauth.Observer { return traceObserver{t} }

type traceObserver struct{ tracing Tracing }

// PhaseStart carries the trace over into the acquisition, whose context has nothing of the caller's.
func (o traceObserver) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	switch {
	case s.Shared: // makes no request
	case s.Background:
		ctx = WithTrace(ctx, Trace{TraceID: o.tracing.traceID(ctx)})
	case s.Cause != nil:
		trace := TraceFrom(s.Cause)
		if trace.TraceID == "" {
			trace.TraceID = o.tracing.traceID(s.Cause)
		}
		ctx = WithTrace(ctx, trace)
	}
	if s.Header != nil {
		o.tracing.set(ctx, s.Header)
	}
	return ctx
}

func (traceObserver) PhaseEnd(context.Context, smartauth.PhaseEnd) {}
