package koppeltaal

import (
	"context"
	"regexp"

	"github.com/google/uuid"
)

// The headers of TOP-KT-011.
const (
	HeaderRequestID     = "X-Request-Id"     // new for each HTTP request
	HeaderCorrelationID = "X-Correlation-Id" // the request id of the request that directly caused this one
	HeaderTraceID       = "X-Trace-Id"       // the same along the whole chain
)

// A Trace is what a request is made in: what goes into the headers of the requests it causes. It is in a context by
// [WithTrace], [NewTrace] or [TraceMiddleware].
type Trace struct {
	// CausedBy is the X-Request-Id of the request that is being served, and so the X-Correlation-Id of those it causes. It is
	// empty for a job that has started by itself.
	CausedBy string

	// ID is the X-Trace-Id. It is never a copy of a request id.
	ID string
}

type traceKey struct{}

// WithTrace returns a context whose requests belong to t. Ids that cannot be FHIR ids are left out, since AuditEvents could not
// hold them: letters, digits, "-" and ".", at most 64.
func WithTrace(ctx context.Context, t Trace) context.Context {
	return context.WithValue(ctx, traceKey{}, Trace{CausedBy: valid(t.CausedBy), ID: valid(t.ID)})
}

// NewTrace returns a context for a job that starts by itself: its requests share a new trace id, and nothing has caused them.
func NewTrace(ctx context.Context) context.Context {
	return WithTrace(ctx, Trace{ID: uuid.NewString()})
}

// TraceFrom returns the trace that ctx belongs to, the zero value if there is none: for the extensions of AuditEvents.
func TraceFrom(ctx context.Context) Trace {
	t, _ := ctx.Value(traceKey{}).(Trace)
	return t
}

// CausedBy returns a context for what follows from a response: its requests correlate to the one that it answers, in the same
// trace. requestID is the X-Request-Id of that request, or of the response, which has the same.
func CausedBy(ctx context.Context, requestID string) context.Context {
	return WithTrace(ctx, Trace{CausedBy: requestID, ID: TraceFrom(ctx).ID})
}

var fhirID = regexp.MustCompile(`^[A-Za-z0-9.-]{1,64}$`)

// valid returns id if AuditEvents can hold it, and "" otherwise.
func valid(id string) string {
	if fhirID.MatchString(id) {
		return id
	}
	return ""
}
