package smartresty

import (
	"context"

	"github.com/go-resty/resty/v2"
)

// attempts is the context of a request that resty may send again. Request.Attempt does not tell a repeat from another call
// with the same request: it is never reset.
type attempts struct {
	context.Context
	request *resty.Request
	left    int  // repeats that resty may still make
	repeats bool // the next one is a repeat
}

type attemptsKey struct{}

func (a *attempts) Value(key any) any {
	if key == (attemptsKey{}) {
		return a
	}
	return a.Context.Value(key)
}

// beforeRetry is a retry hook. resty calls it after the last attempt, too.
func beforeRetry(resp *resty.Response, _ error) {
	if resp == nil {
		return
	}
	if a, ok := resp.Request.Context().Value(attemptsKey{}).(*attempts); ok && a.request == resp.Request {
		a.repeats = a.left > 0
		a.left--
	}
}
