package smarthttp_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
)

// hasty is a base that answers with 401 when it has read the beginning of the body, once, and is no longer in a Read then. On
// synctest's clock net/http itself will not do: what waits for its Read waits for a mutex.
type hasty struct {
	read     int
	requests int
}

func (h *hasty) RoundTrip(r *http.Request) (*http.Response, error) {
	h.requests++
	if _, err := io.ReadFull(r.Body, make([]byte, h.read)); err != nil {
		return nil, err
	}
	_ = r.Body.Close()
	return &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("Unauthorized"))}, nil
}

func TestStalledBodyIsGivenUp(t *testing.T) {
	for name, c := range map[string]struct{ leave, took time.Duration }{
		"for the caller":         {time.Minute, time.Second},
		"when the caller leaves": {300 * time.Millisecond, 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, s *sandbox) {
				if _, err := s.src.Token(t.Context()); err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), c.leave)
				defer cancel()
				out, in := io.Pipe()
				defer func() { _ = in.Close() }()
				go func() { _, _ = in.Write([]byte("beginning")) }()
				body := &counted{Reader: out, closer: out}
				r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.BaseURL()+"/Patient", body)
				if err != nil {
					t.Fatal(err)
				}
				base := &hasty{read: len("beginning")}
				begin := time.Now()
				resp, err := (&smarthttp.Transport{Source: s.src, Base: base}).RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(begin); took != c.took {
					t.Errorf("took %v, want %v", took, c.took)
				}
				text, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusUnauthorized || err != nil || string(text) != "Unauthorized" {
					t.Errorf("%d %q, %v, want the server's 401", resp.StatusCode, text, err)
				}
				if base.requests != 1 {
					t.Errorf("%d requests, want one", base.requests)
				}
				_ = in.Close()
				synctest.Wait()
				if n := body.closes.Load(); n != 1 {
					t.Errorf("the body was closed %d times", n)
				}
			})
		})
	}
}

// eager is a base that answers with 401 when it has read the beginning of the body, and goes on reading later, as one that
// sends in the background does.
type eager struct {
	read  int
	first io.ReadCloser
	late  error // of reading on

	again []byte
}

func (b *eager) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	resp = &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{}, Body: http.NoBody}
	if b.first == nil {
		b.first = r.Body
		_, err = io.ReadFull(r.Body, make([]byte, b.read))
		return resp, err
	}
	_, b.late = io.ReadAll(b.first)
	_ = b.first.Close()
	resp.StatusCode = http.StatusOK
	b.again, err = io.ReadAll(r.Body)
	_ = r.Body.Close()
	return resp, err
}

// An EOF would make half of a body look like the whole to the server that is still reading it.
func TestTakenBodyDoesNotEndForTheTransport(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		content := pattern(10 << 10)
		body := &counted{Reader: bytes.NewReader(content)}
		base := &eager{read: 1000}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.BaseURL()+"/Patient", body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&smarthttp.Transport{Source: s.src, Base: base}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !bytes.Equal(base.again, content) {
			t.Errorf("status %d, sent again with %d bytes of %d", resp.StatusCode, len(base.again), len(content))
		}
		if base.late == nil {
			t.Error("the body of the first request ended as if it had been read")
		}
		if n := body.closes.Load(); n != 1 {
			t.Errorf("the body was closed %d times", n)
		}
	})
}
