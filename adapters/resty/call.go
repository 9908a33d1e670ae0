package smartresty

import (
	"context"
	"sync/atomic"

	"github.com/go-resty/resty/v2"
	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
)

// call is what is known of the call that a request is made for, and lies under the request's context. resty may send a request
// again within the call, and its user for another one; Request.Attempt is never reset and does not tell the two apart.
type call struct {
	context.Context // what the request had
	request         *resty.Request
	bound           atomic.Value // the context.Context of the present call; others may still look at the last one's
	over            atomic.Bool  // and nothing is bound any more
}

type callKey struct{}

func (c *call) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	if c.over.Load() {
		return c.Context.Value(key)
	}
	return c.bound.Load().(context.Context).Value(key)
}

func callOf(r *resty.Request) *call {
	if c, ok := r.Context().Value(callKey{}).(*call); ok && c.request == r { // the context may be of another request
		return c
	}
	return nil
}

// begin binds r to t, unless r is sent again within a call.
func begin(r *resty.Request, t *smarthttp.Transport) {
	c := callOf(r)
	if c == nil {
		c = &call{Context: r.Context(), request: r}
		if other, ok := c.Context.(*call); ok { // of another request, which ours follows
			c.Context = other.Context
		}
		c.over.Store(true)
		r.SetContext(c)
	}
	if c.over.Load() {
		c.bound.Store(t.Bind(c.Context))
		c.over.Store(false)
	}
}

func end(r *resty.Request) {
	if c := callOf(r); c != nil {
		c.over.Store(true)
	}
}
