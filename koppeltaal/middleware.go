package koppeltaal

import (
	"net/http"

	"github.com/google/uuid"
)

// TraceMiddleware takes the headers of TOP-KT-011 from each request that next serves into its context, where [TraceTransport] and
// [TraceFrom] find them. A request without an id that AuditEvents can hold gets a new one, and the client's own comes back as
// X-Correlation-Id. The response has the request id and the trace id.
func TraceMiddleware(next http.Handler) http.Handler { return Tracing{}.Middleware(next) }

// Middleware is [TraceMiddleware] with the setting of t.
func (t Tracing) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent := r.Header.Get(HeaderRequestID)
		trace := Trace{valid(sent), r.Header.Get(HeaderCorrelationID), valid(r.Header.Get(HeaderTraceID))}
		if trace.RequestID == "" {
			trace.RequestID = uuid.NewString()
			if sent != "" {
				w.Header().Set(HeaderCorrelationID, sent)
			}
		}
		if trace.TraceID == "" {
			trace.TraceID = t.traceID(r.Context())
		}
		w.Header().Set(HeaderRequestID, trace.RequestID)
		w.Header().Set(HeaderTraceID, trace.TraceID)
		next.ServeHTTP(w, r.WithContext(WithTrace(r.Context(), trace)))
	})
}
