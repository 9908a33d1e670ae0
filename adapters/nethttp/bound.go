package smarthttp

import (
	"context"
	"net/http"
	"sync/atomic"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// A call is a logical request: what the user of an HTTP stack sees as one, and the stack may send several times. It is the
// context of those requests, too.
type call struct {
	context.Context
	transport *Transport
	resends
}

// resends are the ways of answering a 401 that a logical request has used up.
type resends struct {
	renewed   atomic.Bool                     // there was a new token
	waitedFor atomic.Pointer[smartauth.Token] // the one to become valid
}

type callKey struct{}

func (c *call) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// Bind begins a logical request and returns the context for it, derived from ctx. The adapter of a stack that sends a request
// again by itself binds it before the first time: t then answers a 401 once, however often the stack repeats the request. A
// context that Bind returned begins another logical request, and does not grow by it.
//
// Requests with such a context are authenticated by t under a [BoundTransport], too.
func (t *Transport) Bind(ctx context.Context) context.Context {
	if old, ok := ctx.(*call); ok {
		ctx = old.Context
	}
	return &call{Context: ctx, transport: t}
}

// BoundTo returns the Transport that ctx, or a context it is derived from, was bound to; nil if there is none.
func BoundTo(ctx context.Context) *Transport {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c.transport
	}
	return nil
}

// callOf returns what the logical request of ctx has used up; one that was not bound is sent once.
func (t *Transport) callOf(ctx context.Context) *resends {
	if c, ok := ctx.Value(callKey{}).(*call); ok && c.transport == t {
		return &c.resends
	}
	return new(resends)
}

// A BoundTransport leaves it to the context of each request who authenticates it: the [Transport] that the context is bound
// to, and nobody if there is none. It is for stacks whose http.Client cannot be replaced by a copy: others may use the same
// one, with tokens of their own or none.
type BoundTransport struct {
	// Base makes the requests, those of the bound Transports too, whose own Base is not used. Nil means
	// http.DefaultTransport.
	Base http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (b *BoundTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t := BoundTo(r.Context()); t != nil {
		return t.roundTrip(r, b.base())
	}
	return b.base().RoundTrip(r)
}

// CloseIdleConnections closes those of Base.
func (b *BoundTransport) CloseIdleConnections() { closeIdle(b.base()) }

func (b *BoundTransport) base() http.RoundTripper { return orDefault(b.Base) }
