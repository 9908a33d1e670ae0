package smarttest

import (
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// An origin is one HTTP server of the sandbox.
type origin struct {
	url      string // scheme and host
	listener net.Listener
	server   *http.Server
	conns    sync.WaitGroup
	served   chan struct{}
}

func newOrigin(n network, addr string) (*origin, error) {
	l, host, err := n.listen(addr)
	if err != nil {
		return nil, err
	}
	return &origin{url: "http://" + host, listener: l, served: make(chan struct{})}, nil
}

func (o *origin) serve(h http.Handler) {
	o.server = &http.Server{Handler: h, ConnState: o.track, ReadHeaderTimeout: time.Minute}
	go func() {
		defer close(o.served)
		if err := o.server.Serve(o.listener); !errors.Is(err, http.ErrServerClosed) {
			log.Printf("smarttest: %s: %v", o.url, err)
		}
	}()
}

// track lets close wait for the goroutines of the connections, which http.Server.Close does not.
func (o *origin) track(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		o.conns.Add(1)
	case http.StateClosed, http.StateHijacked:
		o.conns.Done()
	}
}

func (o *origin) close() {
	if o.server == nil {
		_ = o.listener.Close()
		return
	}
	_ = o.server.Close()
	<-o.served
	_ = o.server.Close() // a connection accepted while the first call ran was not known to it
	o.conns.Wait()
}

// A clock is the system's (or the bubble's), shifted.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// date is the form of the Date header (RFC 9110 section 5.6.7).
func (c *clock) date() string { return c.now().UTC().Format(http.TimeFormat) }
