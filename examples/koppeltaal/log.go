package main

import (
	"context"
	"log/slog"

	"github.com/smartauth-go/smartauth/koppeltaal"
)

// newLogger returns a logger whose records have the ids of the request that they are about. With those on an error page, and in the
// AuditEvents of Koppeltaal, one finds the other.
func newLogger(h slog.Handler) *slog.Logger { return slog.New(traceHandler{h}) }

type traceHandler struct{ slog.Handler }

func (h traceHandler) Handle(ctx context.Context, r slog.Record) error {
	t := koppeltaal.TraceFrom(ctx)
	for _, id := range []struct{ key, value string }{
		{"request_id", t.RequestID}, {"correlation_id", t.CorrelationID}, {"trace_id", t.TraceID},
	} {
		if id.value != "" {
			r.AddAttrs(slog.String(id.key, id.value))
		}
	}
	return h.Handler.Handle(ctx, r)
}

func (h traceHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return traceHandler{h.Handler.WithAttrs(attrs)}
}

func (h traceHandler) WithGroup(name string) slog.Handler {
	return traceHandler{h.Handler.WithGroup(name)}
}
