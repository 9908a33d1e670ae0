package smarthttp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// gated has a beginning, and the rest once the gate is open.
type gated struct {
	beginning, rest io.Reader
	gate            <-chan struct{}
}

func (g *gated) Read(p []byte) (int, error) {
	if n, err := g.beginning.Read(p); err == nil {
		return n, nil
	}
	<-g.gate
	return g.rest.Read(p)
}

// early is a server that answers its first request with 401, reads nothing of the body until the client has read that, and
// answers the others when it has read theirs. It may be told to read on without delay.
type early struct {
	*sandbox
	url    string
	client *http.Client
	base   *ledger

	answered, read chan struct{} // the 401 has come, and was read to its end

	mu     sync.Mutex
	bodies [][]byte // of the requests but the first
}

func answerEarly(t *testing.T, rejection []byte, readOn bool) *early {
	t.Helper()
	e := &early{sandbox: start(t, smarttest.Options{}), answered: make(chan struct{}), read: make(chan struct{})}
	done := make(chan struct{})
	var requests atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests.Add(1) > 1 {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				t.Errorf("the request sent again: %v", err)
			}
			e.mu.Lock()
			defer e.mu.Unlock()
			e.bodies = append(e.bodies, body)
			return
		}
		c := http.NewResponseController(w)
		if err := c.EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(rejection)))
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write(rejection)
		_ = c.Flush()
		if !readOn {
			select {
			case <-e.read:
			case <-done:
			}
		}
		_, _ = io.Copy(io.Discard, r.Body) // for the next request, if it comes on this connection
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(sync.OnceFunc(func() { close(done) }))
	e.base = &ledger{RoundTripper: e.Transport(), answered: sync.OnceFunc(func() { close(e.answered) }), eof: sync.OnceFunc(func() { close(e.read) })}
	e.url = srv.URL + "/upload"
	e.client = &http.Client{Transport: &smarthttp.Transport{Source: e.src, Base: e.base, Origins: []string{srv.URL}}}
	return e
}

// post returns the status and the body of the response. A call that hangs fails the test.
func (e *early) post(t *testing.T, ctx context.Context, body io.Reader) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, body)
	if err != nil {
		t.Fatal(err)
	}
	var status int
	var content []byte
	done := make(chan struct{})
	go func() {
		defer close(done)
		resp, err := e.client.Do(r)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = resp.Body.Close() }()
		status = resp.StatusCode
		if content, err = io.ReadAll(resp.Body); err != nil {
			t.Errorf("reading the response: %v", err)
		}
	}()
	if !ends(done) {
		t.Fatal("the call hangs")
	}
	return status, content
}

func (e *early) again() [][]byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.bodies
}

// ends waits for a channel to be closed, but not for ever.
func ends(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-time.After(20 * time.Second):
		return false
	}
}

func TestEarlyRejectionOfAnOpaqueBody(t *testing.T) {
	for name, gate := range map[string]func(*early) chan struct{}{
		"the body goes on before the 401 is read": func(e *early) chan struct{} { return e.answered },
		"the body goes on after the 401 was read": func(e *early) chan struct{} { return e.read },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := answerEarly(t, pattern(maxDiscard), false) // the longest that is kept
			content := pattern(700 << 10)
			body := &counted{Reader: &gated{bytes.NewReader(content[:64<<10]), bytes.NewReader(content[64<<10:]), gate(e)}}
			if status, text := e.post(t, t.Context(), body); status != http.StatusOK {
				t.Errorf("%d %q, want 200", status, text)
			}
			if again := e.again(); len(again) != 1 || !bytes.Equal(again[0], content) {
				t.Errorf("sent again %d times, want once and the whole body", len(again))
			}
			if n := body.closes.Load(); n != 1 {
				t.Errorf("the body was closed %d times", n)
			}
		})
	}
}

// Half of a resource must not be sent as if it were all of it.
func TestFailingBodyIsNotSentAgain(t *testing.T) {
	t.Parallel()
	e := answerEarly(t, []byte("Unauthorized"), false)
	content := pattern(200 << 10)
	half := io.MultiReader(bytes.NewReader(content[64<<10:]), iotest.ErrReader(errors.New("the disk is broken")))
	body := &counted{Reader: &gated{bytes.NewReader(content[:64<<10]), half, e.read}}
	if status, text := e.post(t, t.Context(), body); status != http.StatusUnauthorized || string(text) != "Unauthorized" {
		t.Errorf("%d %q, want the server's 401", status, text)
	}
	if again := e.again(); len(again) != 0 {
		t.Errorf("sent again with %d of %d bytes", len(again[0]), len(content))
	}
}

// The caller gets the 401 whole, although the transport below is still sending.
func TestEarlyRejectionOfALongBody(t *testing.T) {
	for _, known := range []bool{false, true} {
		for _, size := range []int{40 << 10, maxDiscard, 100 << 10} { // kept, the most that is kept, and not kept
			t.Run(strconv.Itoa(size)+", length known "+strconv.FormatBool(known), func(t *testing.T) {
				t.Parallel()
				e := answerEarly(t, pattern(size), false)
				content := pattern(maxCopy + 1)
				closed := make(chan struct{})
				body := &counted{Reader: &gated{bytes.NewReader(content[:64<<10]), bytes.NewReader(content[64<<10:]), e.answered},
					closer: closeFunc(sync.OnceFunc(func() { close(closed) }))}
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.url, body)
				if err != nil {
					t.Fatal(err)
				}
				if known {
					r.ContentLength = int64(len(content))
				}
				resp, err := e.client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusUnauthorized || err != nil || !bytes.Equal(text, pattern(size)) {
					t.Errorf("status %d and %d bytes, %v, want the server's 401 of %d", resp.StatusCode, len(text), err, size)
				}
				if again := e.again(); len(again) != 0 {
					t.Errorf("sent again with %d bytes", len(again[0]))
				}
				if !ends(closed) {
					t.Error("the body was left open")
				}
			})
		}
	}
}

// To take the body from net/http ends the connection, and the caller may read the 401 after that.
func TestRejectionOutlivesTheConnection(t *testing.T) {
	t.Parallel()
	e := answerEarly(t, pattern(40<<10), true)
	sent := make(chan struct{})
	e.base.sent = sync.OnceFunc(func() { close(sent) })
	content := bytes.NewReader(bytes.Repeat(pattern(maxCopy), 4))
	resp, err := e.client.Post(e.url, "text/plain", struct{ io.Reader }{&gated{bytes.NewReader(nil), content, e.answered}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if !ends(sent) {
		t.Fatal("the transport below never ends")
	}
	if text, err := io.ReadAll(resp.Body); resp.StatusCode != http.StatusUnauthorized || err != nil || !bytes.Equal(text, pattern(40<<10)) {
		t.Errorf("status %d and %d bytes, %v, want the server's 401 of 40 KiB", resp.StatusCode, len(text), err)
	}
}

// net/http is in the middle of a Read that does not return when the caller leaves.
func TestCallerLeavesWhileTheBodyIsRead(t *testing.T) {
	t.Parallel()
	e := answerEarly(t, []byte("Unauthorized"), false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	eof := e.base.eof
	e.base.eof = func() { eof(); cancel() } // by now net/http can no longer make an error of it
	out, in := io.Pipe()
	t.Cleanup(func() { _ = in.Close() })
	go func() { _, _ = in.Write([]byte("beginning")) }()

	status, text := e.post(t, ctx, struct{ io.Reader }{out})
	if status != http.StatusUnauthorized || string(text) != "Unauthorized" {
		t.Errorf("%d %q, want the server's 401", status, text)
	}
	if again := e.again(); len(again) != 0 {
		t.Errorf("sent again with %q", again)
	}
}
