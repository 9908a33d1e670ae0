package main

import (
	"context"
	"io"
	"log/slog"

	smartauth "github.com/smartauth-go/smartauth/core"
	otelsmart "github.com/smartauth-go/smartauth/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// newObserver returns what a service would give to its Sources: spans and metrics, and a line in the log for each change that
// somebody should know of.
func newObserver(tel *telemetry, log io.Writer) smartauth.Observer {
	logger := slog.New(traceHandler{slog.NewTextHandler(log, nil)})
	return smartauth.MultiObserver(
		otelsmart.NewObserver(
			otelsmart.WithTracerProvider(tel.traces),
			otelsmart.WithMeterProvider(tel.meters),
			otelsmart.WithPropagators(propagation.TraceContext{})),
		smartauth.NewLogObserver(logger))
}

// traceHandler adds to each record the trace that it belongs to.
type traceHandler struct{ slog.Handler }

func (h traceHandler) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceHandler{h.Handler.WithAttrs(attrs)}
}

func (h traceHandler) WithGroup(name string) slog.Handler {
	return traceHandler{h.Handler.WithGroup(name)}
}
