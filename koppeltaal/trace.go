package koppeltaal

import (
	"context"
	"net/http"
	"regexp"

	"github.com/google/uuid"
)

// The headers of TOP-KT-011.
const (
	HeaderRequestID     = "X-Request-Id"     // new for each HTTP request
	HeaderCorrelationID = "X-Correlation-Id" // the request id of the request that directly caused this one
	HeaderTraceID       = "X-Trace-Id"       // the same along the whole chain
)

// A Trace has the ids of the request that is being served: those of the extensions of an AuditEvent about it. It is in a context by
// [WithTrace], [NewTrace], [CausedBy] or [TraceMiddleware].
type Trace struct {
	// RequestID is the X-Request-Id of the request being served, and so the X-Correlation-Id of the requests it causes. It is
	// empty for a job that has started by itself.
	RequestID string

	// CorrelationID is the X-Correlation-Id of the request being served. It goes no further.
	CorrelationID string

	// TraceID is the X-Trace-Id, which the requests that it causes have, too. Do not make it a copy of a request id.
	TraceID string
}

type traceKey struct{}

// WithTrace returns a context whose requests are caused by the one that t describes. Ids that are no FHIR ids (letters, digits, "-"
// and ".", at most 64) are left out, since AuditEvents could not hold them.
func WithTrace(ctx context.Context, t Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, Trace{valid(t.RequestID), valid(t.CorrelationID), valid(t.TraceID)})
}

// NewTrace returns a context for a job that starts by itself: its requests share a new trace id, and nothing has caused them.
func NewTrace(ctx context.Context) context.Context {
	return WithTrace(ctx, Trace{TraceID: uuid.NewString()})
}

// TraceFrom returns the trace that ctx belongs to, the zero value if there is none.
func TraceFrom(ctx context.Context) Trace {
	t, _ := ctx.Value(traceKey{}).(Trace)
	return t
}

// CausedBy returns a context for what follows from a response, such as reading what a search has found: its requests correlate to
// the one that was answered, in the same trace. header is that of the response; a Koppeltaal server repeats the ids there.
func CausedBy(ctx context.Context, header http.Header) context.Context {
	before := TraceFrom(ctx)
	t := Trace{RequestID: header.Get(HeaderRequestID), CorrelationID: before.RequestID, TraceID: before.TraceID}
	if t.TraceID == "" {
		t.TraceID = header.Get(HeaderTraceID)
	}
	return WithTrace(ctx, t)
}

var fhirID = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)

// valid returns id if AuditEvents can hold it, and "" otherwise.
func valid(id string) string {
	if fhirID.MatchString(id) {
		return id
	}
	return ""
}
