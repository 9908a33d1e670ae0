package koppeltaal

import (
	"context"

	"github.com/google/uuid"
	smartauth "github.com/smartauth-go/smartauth/core"
)

// NewTraceObserver returns an Observer that sets the headers of TOP-KT-011 on the requests of a [smartauth.Source]. A token request
// belongs to the request that set it off: it has the same trace and correlation ids, and a request id of its own. One in the
// background was caused by none in particular, and begins a trace of its own. Use [smartauth.MultiObserver] to have others beside
// it.
func NewTraceObserver() smartauth.Observer { return traceObserver{} }

type traceObserver struct{}

func (traceObserver) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	switch {
	case s.Phase == smartauth.PhaseAcquire && s.Background:
		ctx = NewTrace(ctx)
	case s.Cause != nil && !s.Shared:
		trace := TraceFrom(s.Cause)
		if trace.ID == "" {
			trace.ID = uuid.NewString()
		}
		ctx = WithTrace(ctx, trace)
	}
	if s.Header != nil {
		setHeaders(s.Header, ctx, nil)
	}
	return ctx
}

func (traceObserver) PhaseEnd(context.Context, smartauth.PhaseEnd) {}
