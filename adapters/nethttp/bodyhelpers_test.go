package smarthttp_test

import (
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
)

const (
	maxCopy    = 1 << 20  // of a request's body without GetBody
	maxDiscard = 64 << 10 // of the body of a 401 that the caller does not get
)

// pattern returns a body that shows what is missing or out of place. It is shared: do not change it.
func pattern(length int) []byte { return longest()[:length:length] }

var longest = sync.OnceValue(func() []byte {
	var b []byte
	for len(b) <= maxCopy {
		b = append(strconv.AppendInt(b, int64(len(b)), 10), ' ')
	}
	return b
})

// counted is a body that knows what was done with it.
type counted struct {
	io.Reader
	closer io.Closer // nil if there is nothing to close
	read   atomic.Int64
	closes atomic.Int64
	eof    func() // nil for none
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read.Add(int64(n))
	if err == io.EOF && c.eof != nil {
		c.eof()
	}
	return n, err
}

func (c *counted) Close() error {
	c.closes.Add(1)
	if c.closer != nil {
		return c.closer.Close()
	}
	return nil
}

type closeFunc func()

func (f closeFunc) Close() error {
	f()
	return nil
}

// ledger is a base that counts the bodies of the responses.
type ledger struct {
	http.RoundTripper
	answered func() // nil for none; the response has come
	eof      func() // nil for none; a response was read to its end
	sent     func() // nil for none; the transport below has closed the body of a request

	mu     sync.Mutex
	bodies []*counted
}

func (l *ledger) RoundTrip(r *http.Request) (*http.Response, error) {
	if l.sent != nil {
		out, body := *r, r.Body
		out.Body = &counted{Reader: body, closer: closeFunc(func() {
			_ = body.Close()
			l.sent()
		})}
		r = &out
	}
	resp, err := l.RoundTripper.RoundTrip(r)
	if err == nil {
		body := &counted{Reader: resp.Body, closer: resp.Body, eof: l.eof}
		resp.Body = body
		l.mu.Lock()
		l.bodies = append(l.bodies, body)
		l.mu.Unlock()
		if l.answered != nil {
			l.answered()
		}
	}
	return resp, err
}
