package koppeltaal

import (
	"context"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

// Tracing has the one setting of the headers of TOP-KT-011. Give the same to the [TraceTransport], the middleware, the observer and
// the [Client], or their requests are in different traces. The zero value is usable.
type Tracing struct {
	// TraceID gives the trace id where there is none yet, for example that of OpenTelemetry:
	//
	//	func(ctx context.Context) string { return trace.SpanContextFromContext(ctx).TraceID().String() }
	//
	// Nil, or an id that is empty, all zeros or no FHIR id, means a new UUID.
	TraceID func(context.Context) string
}

// traceID returns the trace id of what begins in ctx.
func (t Tracing) traceID(ctx context.Context) string {
	if t.TraceID != nil {
		if id := valid(t.TraceID(ctx)); strings.Trim(id, "0") != "" { // OpenTelemetry's outside of any trace is all zeros
			return id
		}
	}
	return uuid.NewString()
}

// set sets the headers of a request that is made in ctx, except for those that the caller has set, even to nothing.
func (t Tracing) set(ctx context.Context, h http.Header) {
	trace := TraceFrom(ctx)
	values := make([]string, 3)
	if !has(h, HeaderRequestID) {
		values[0] = uuid.NewString()
		h[HeaderRequestID] = values[0:1:1]
	}
	if trace.RequestID != "" && !has(h, HeaderCorrelationID) {
		values[1] = trace.RequestID
		h[HeaderCorrelationID] = values[1:2:2]
	}
	if !has(h, HeaderTraceID) {
		if values[2] = trace.TraceID; values[2] == "" {
			values[2] = t.traceID(ctx)
		}
		h[HeaderTraceID] = values[2:3:3]
	}
}

// has tells whether h has the field, under whatever name: some stacks can set it in small letters.
func has(h http.Header, name string) bool {
	for other := range h {
		if len(other) == len(name) && strings.EqualFold(other, name) {
			return true
		}
	}
	return false
}
