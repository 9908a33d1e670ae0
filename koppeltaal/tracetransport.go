package koppeltaal

import (
	"maps"
	"net/http"
)

// A TraceTransport sets the headers of TOP-KT-011 on every request: a new X-Request-Id, and X-Correlation-Id and X-Trace-Id by the
// [Trace] in its context. Headers that the caller has set stay as they are.
//
// It belongs below the authentication, as Base of the smarthttp.Transport or as the transport of the client that an adapter is
// attached to: a request that is sent again, after a 401 or by a stack that retries, is another request. One whose context has no
// trace id is in a trace of its own: see [NewTrace] and [TraceMiddleware]. Its methods may be called from any goroutine.
type TraceTransport struct {
	// Base makes the requests; nil means http.DefaultTransport.
	Base http.RoundTripper

	Tracing Tracing
}

// RoundTrip implements http.RoundTripper. The response belongs to r as it came: what others have hidden from it stays hidden.
func (t *TraceTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	out := new(http.Request)
	*out = *r
	if out.Header = maps.Clone(r.Header); out.Header == nil {
		out.Header = make(http.Header, 3)
	}
	t.Tracing.set(r.Context(), out.Header)
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
