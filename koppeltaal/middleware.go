package koppeltaal

import (
	"net/http"

	"github.com/google/uuid"
)

// TraceMiddleware takes the headers of TOP-KT-011 from each request that next serves into its context, where [TraceTransport] finds
// them: the incoming X-Request-Id becomes the X-Correlation-Id of the requests it causes, and X-Trace-Id goes on as it is. A
// request without an id that AuditEvents can hold gets a new one, and the client's own comes back as X-Correlation-Id. The response
// has both ids.
func TraceMiddleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		trace := Trace{CausedBy: valid(r.Header.Get(HeaderRequestID)), ID: valid(r.Header.Get(HeaderTraceID))}
		if trace.CausedBy == "" {
			trace.CausedBy = uuid.NewString()
			if own := r.Header.Get(HeaderRequestID); own != "" {
				w.Header().Set(HeaderCorrelationID, own)
			}
		}
		if trace.ID == "" {
			trace.ID = uuid.NewString()
		}
		w.Header().Set(HeaderRequestID, trace.CausedBy)
		w.Header().Set(HeaderTraceID, trace.ID)
		next.ServeHTTP(w, r.WithContext(WithTrace(r.Context(), trace)))
	})
}
