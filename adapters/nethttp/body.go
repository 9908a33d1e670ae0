package smarthttp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// copyMost is how much of a body without GetBody is kept to send it again.
const copyMost = 1 << 20

// repeatable returns what makes the body of r once more, nil if nothing can. kept tells that the answer to the request before
// is in memory: to take the body from a transport that is still sending it ends the connection, and what was not read of the
// answer with it.
func repeatable(r *http.Request, copied *bodyCopy, kept bool) func() (io.ReadCloser, error) {
	switch {
	case r.Body == nil || r.Body == http.NoBody:
		return func() (io.ReadCloser, error) { return r.Body, nil }
	case r.GetBody != nil:
		return r.GetBody
	case copied != nil && kept:
		if content, ok := copied.all(r.Context()); ok {
			return func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
		}
	}
	return nil
}

// keep reads resp into memory and reports whether it is small enough for that. Its connection is then free for the request
// that follows, and whoever traces it sees it end before a token is waited for.
func keep(resp *http.Response) bool {
	stop := time.AfterFunc(patience, func() { _ = resp.Body.Close() })
	defer stop.Stop()
	content, _ := io.ReadAll(io.LimitReader(resp.Body, discardMost+1))
	rest := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(content), rest), rest}
	return len(content) <= discardMost
}

// bodyCopy is the body of a request that keeps what was read from it. The transport below may go on reading, and close it,
// after it has returned the response.
type bodyCopy struct {
	source      io.ReadCloser
	sourceClose sync.Once
	closed      atomic.Bool // by the transport
	released    atomic.Bool // nobody will ask for all

	mu      sync.Mutex // held while source is read
	kept    bytes.Buffer
	tooLong bool // kept is not everything that was read
	err     error
	taken   bool // by all: the transport must read no more
}

// copyWhileSent returns the body to send in place of r's, nil if there is none or r can make another one itself, or if it is
// known to be too long.
func copyWhileSent(r *http.Request) *bodyCopy {
	if r.Body == nil || r.Body == http.NoBody || r.GetBody != nil || r.ContentLength > copyMost {
		return nil
	}
	return &bodyCopy{source: r.Body}
}

var errTaken = errors.New("smarthttp: the request was answered already")

// Read is called by the transport below.
func (b *bodyCopy) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken {
		return 0, errTaken
	}
	return b.read(p)
}

func (b *bodyCopy) read(p []byte) (int, error) {
	n, err := b.source.Read(p)
	b.err = err
	if b.tooLong = b.tooLong || b.kept.Len()+n > copyMost; b.tooLong {
		b.kept = bytes.Buffer{}
	} else {
		b.kept.Write(p[:n])
	}
	return n, err
}

// Close is called by the transport below. The source stays open until it is clear that what is left of it is not needed.
func (b *bodyCopy) Close() error {
	b.closed.Store(true)
	if b.released.Load() {
		b.closeSource()
	}
	return nil
}

// release says that the body is not going to be sent again.
func (b *bodyCopy) release() {
	b.released.Store(true)
	if b.closed.Load() {
		b.closeSource()
	}
}

func (b *bodyCopy) closeSource() { b.sourceClose.Do(func() { _ = b.source.Close() }) }

// all takes the source from the transport, reads the rest of it and returns everything from its beginning; false if that is
// too long, fails or takes too long, or ctx ends before.
func (b *bodyCopy) all(ctx context.Context) ([]byte, bool) {
	done := make(chan struct{})
	go func() { // a Read knows no context
		defer close(done)
		b.mu.Lock()
		defer b.mu.Unlock()
		b.taken = true
		for chunk := make([]byte, 32<<10); b.err == nil && !b.tooLong; {
			_, _ = b.read(chunk)
		}
		b.closeSource()
	}()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-done:
		return b.kept.Bytes(), !b.tooLong && errors.Is(b.err, io.EOF)
	case <-limit.C:
	case <-ctx.Done():
	}
	return nil, false
}
