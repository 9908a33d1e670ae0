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

// maxCopy is how much of a body without GetBody is kept to send it again.
const maxCopy = 1 << 20

// keep reads resp into memory and reports whether it is small enough for that. Its connection is then free for the request
// that follows, and whoever traces it sees it end before a token is waited for.
func keep(resp *http.Response) bool {
	rest := resp.Body // the timer may fire while resp gets another one
	stop := time.AfterFunc(patience, func() { _ = rest.Close() })
	defer stop.Stop()
	content, _ := io.ReadAll(io.LimitReader(rest, maxDiscard+1))
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(content), rest), rest}
	return len(content) <= maxDiscard
}

// requestBody is the body of a request on its way. The transport below may go on reading it, and close it, after it has returned
// the response. Whoever makes the body anew may do so by rewinding what is still being read, as go-retryablehttp does with files;
// so it is taken from the transport before.
type requestBody struct {
	source      io.ReadCloser
	sourceClose sync.Once
	remake      func() (io.ReadCloser, error) // Request.GetBody; nil means that what is read is kept
	keepable    bool                          // as far as its length is known
	closed      atomic.Bool                   // by the transport
	released    atomic.Bool                   // nobody will ask for it again

	mu      sync.Mutex // held while source is read
	kept    bytes.Buffer
	tooLong bool // to be kept
	err     error
	taken   bool // the transport must read no more
}

// bodyOf returns nil if r has none.
func bodyOf(r *http.Request) *requestBody {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	keepable := r.ContentLength <= maxCopy
	return &requestBody{source: r.Body, remake: r.GetBody, keepable: keepable, tooLong: !keepable}
}

// outgoing returns what the transport below gets. Whoever rewinds a body in memory rewinds nothing that a snapshot of it reads,
// so that one need not be taken back.
func (b *requestBody) outgoing() io.ReadCloser {
	if b.remake != nil {
		if s := snapshot(b.source); s != nil {
			return s
		}
	}
	return b
}

var errTaken = errors.New("smarthttp: the request was answered already")

// Read is called by the transport below.
func (b *requestBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.taken {
		return 0, errTaken
	}
	return b.read(p)
}

func (b *requestBody) read(p []byte) (int, error) {
	n, err := b.source.Read(p)
	b.err = err
	if b.tooLong = b.tooLong || b.kept.Len()+n > maxCopy; b.tooLong || b.remake != nil || b.released.Load() {
		b.kept = bytes.Buffer{}
	} else {
		b.kept.Write(p[:n])
	}
	return n, err
}

// Close is called by the transport below. A source that is kept stays open until it is clear that what is left of it is not
// needed.
func (b *requestBody) Close() error {
	b.closed.Store(true)
	if b.remake != nil || b.released.Load() {
		b.closeSource()
	}
	return nil
}

// release says that the body is not going to be sent again.
func (b *requestBody) release() {
	if b == nil {
		return
	}
	b.released.Store(true)
	if b.closed.Load() {
		b.closeSource()
	}
	if b.mu.TryLock() { // a response that streams may keep us alive for long
		b.kept = bytes.Buffer{}
		b.mu.Unlock()
	}
}

func (b *requestBody) closeSource() { b.sourceClose.Do(func() { _ = b.source.Close() }) }

// again takes the body from the transport below and returns what makes it once more, nil if nothing can: it is too long, fails
// or stalls, or ctx ends before. answered tells that the answer to the request is in memory, as to take the body from a
// transport that is still sending it ends the connection.
func (b *requestBody) again(ctx context.Context, answered bool) func() (*requestBody, error) {
	switch {
	case b == nil:
		return func() (*requestBody, error) { return nil, nil }
	case b.remake == nil && (!b.keepable || !answered):
		return nil
	}
	done := make(chan struct{})
	go func() { // a Read knows no context
		defer close(done)
		b.take()
	}()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case <-done:
	case <-limit.C:
		return nil
	case <-ctx.Done():
		return nil
	}
	remake := b.remake
	if remake == nil {
		if b.tooLong || !errors.Is(b.err, io.EOF) {
			return nil
		}
		content := b.kept.Bytes()
		b.kept = bytes.Buffer{} // release must not touch it
		remake = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	}
	return func() (*requestBody, error) {
		source, err := remake()
		return &requestBody{source: source, remake: remake}, err
	}
}

// take ends the transport's reading, and reads what is left if it is to be kept.
func (b *requestBody) take() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.taken = true
	if b.remake != nil {
		return
	}
	for chunk := make([]byte, 32<<10); b.err == nil && !b.tooLong; {
		_, _ = b.read(chunk)
	}
	b.closeSource()
}
