package smarttest

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// An origin is one HTTP server of the sandbox.
type origin struct {
	url      string // scheme and host
	listener net.Listener
	server   *http.Server
	cancel   context.CancelFunc // ends the contexts of the server's requests
	conns    sync.WaitGroup
	served   chan struct{}
	closed   bool
}

func newOrigin(n network, addr string) (*origin, error) {
	l, host, err := n.listen(addr)
	if err != nil {
		return nil, err
	}
	return &origin{url: "http://" + host, listener: l}, nil
}

func (o *origin) serve(h http.Handler) {
	ctx, cancel := context.WithCancel(context.Background())
	o.cancel, o.served, o.closed = cancel, make(chan struct{}), false
	o.server = &http.Server{Handler: h, ConnState: o.track, ReadHeaderTimeout: time.Minute,
		BaseContext: func(net.Listener) context.Context { return ctx }}
	go func(server *http.Server, l net.Listener, served chan<- struct{}) {
		defer close(served)
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Printf("smarttest: %s: %v", o.url, err)
		}
	}(o.server, o.listener, o.served)
}

// reopen undoes close.
func (o *origin) reopen(n network) error {
	if !o.closed {
		return nil
	}
	l, _, err := n.listen(strings.TrimPrefix(o.url, "http://"))
	if err != nil {
		return err
	}
	o.listener = l
	o.serve(o.server.Handler)
	return nil
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
	o.closed = true
	_ = o.server.Close()
	o.cancel() // net/http does it only for requests whose body was read
	<-o.served
	_ = o.server.Close() // a connection accepted while the first call ran was not known to it
	o.conns.Wait()
}

// A clock is the system's (or the bubble's), shifted.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

// date is the form of the Date header (RFC 9110 section 5.6.7).
func (c *clock) date() string { return c.now().UTC().Format(http.TimeFormat) }
