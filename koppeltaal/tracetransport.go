package koppeltaal

import (
	"context"
	"maps"
	"net/http"

	"github.com/google/uuid"
)

// A TraceTransport sets the headers of TOP-KT-011 on every request: a new X-Request-Id, and X-Correlation-Id and X-Trace-Id of the
// [Trace] in its context. It belongs below the authentication, as Base of the smarthttp.Transport or as the transport of the
// client that an adapter is attached to: a request that is sent again is another one. Headers that the caller has set stay. Its
// methods may be called from any goroutine.
type TraceTransport struct {
	// Base makes the requests; nil means http.DefaultTransport.
	Base http.RoundTripper

	// TraceID gives the trace id of a request whose context has none, such as the trace id of OpenTelemetry, which fits:
	//
	//	func(ctx context.Context) string { return trace.SpanContextFromContext(ctx).TraceID().String() }
	//
	// Nil, or an id that is empty, all zeros or no FHIR id, means a new UUID.
	TraceID func(context.Context) string
}

// RoundTrip implements http.RoundTripper.
func (t *TraceTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	out := new(http.Request)
	*out = *r
	if out.Header = maps.Clone(r.Header); out.Header == nil {
		out.Header = make(http.Header, 3)
	}
	setHeaders(out.Header, r.Context(), t.TraceID)
	resp, err := t.base().RoundTrip(out)
	if resp != nil {
		resp.Request = r
	}
	return resp, err
}

// CloseIdleConnections closes those of Base.
func (t *TraceTransport) CloseIdleConnections() {
	if c, ok := t.base().(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}

func (t *TraceTransport) base() http.RoundTripper {
	if t.Base != nil {
		return t.Base
	}
	return http.DefaultTransport
}

// setHeaders sets those that h does not have.
func setHeaders(h http.Header, ctx context.Context, fallback func(context.Context) string) {
	trace := TraceFrom(ctx)
	if trace.ID == "" && fallback != nil {
		trace.ID = nonZero(valid(fallback(ctx)))
	}
	if trace.ID == "" {
		trace.ID = uuid.NewString()
	}
	for name, value := range map[string]string{HeaderRequestID: uuid.NewString(), HeaderCorrelationID: trace.CausedBy, HeaderTraceID: trace.ID} {
		if _, own := h[name]; !own && value != "" {
			h[name] = []string{value}
		}
	}
}

// nonZero returns id unless it is the all-zero one that OpenTelemetry has outside of any trace.
func nonZero(id string) string {
	for _, c := range id {
		if c != '0' {
			return id
		}
	}
	return ""
}
