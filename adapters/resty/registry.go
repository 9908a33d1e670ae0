package smartresty

import (
	"runtime"
	"sync"
	"weak"

	"github.com/go-resty/resty/v2"
)

// attached are the attachments by client. They keep no client alive.
var attached registry

type registry struct {
	byClient sync.Map // weak.Pointer[resty.Client] to *attachment
}

// of returns nil if the client was not attached itself.
func (g *registry) of(c *resty.Client) *attachment {
	a, _ := g.byClient.Load(weak.Make(c))
	own, _ := a.(*attachment)
	return own
}

func (g *registry) add(c *resty.Client, a *attachment) {
	key := weak.Make(c)
	g.byClient.Store(key, a)
	runtime.AddCleanup(c, func(key weak.Pointer[resty.Client]) { g.byClient.Delete(key) }, key)
}
