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
	"github.com/smartauth-go/smartauth/core/smarttest"
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

// flood answers with 401 and far more than anybody wants to read, as long as somebody reads it.
func flood(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusUnauthorized)
	chunk := bytes.Repeat([]byte("x"), 16<<10)
	for range 512 { // not for ever, so that a test fails and does not hang
		if _, err := w.Write(chunk); err != nil {
			return
		}
	}
}

func TestFloodOfARejection(t *testing.T) {
	for kind, want := range map[string]struct{ status, requests int }{
		"no body": {200, 2},
		"GetBody": {200, 2},
		"opaque":  {401, 1}, // to send it again would cost the caller the rest of the 401
	} {
		t.Run(kind, func(t *testing.T) {
			inMemory(t, func(t *testing.T, s *sandbox) {
				if _, err := s.src.Token(t.Context()); err != nil {
					t.Fatal(err)
				}
				s.Fail(smarttest.FHIR, smarttest.Fault{Times: 1, Handler: flood}, smarttest.Fault{Status: 200, Body: "done"})
				var body io.Reader
				switch kind {
				case "GetBody":
					body = strings.NewReader("body")
				case "opaque":
					body = struct{ io.Reader }{strings.NewReader("body")}
				}
				base := &ledger{RoundTripper: s.Transport()}
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.BaseURL()+"/Patient", body)
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				resp, err := smarthttp.NewClient(s.src, &http.Client{Transport: base}).Do(r)
				if err != nil {
					t.Fatal(err)
				}
				if resp.StatusCode != want.status || s.Counts().FHIR != want.requests || time.Since(begin) != 0 {
					t.Errorf("status %d after %d requests and %v, want %d after %d at once", resp.StatusCode, s.Counts().FHIR,
						time.Since(begin), want.status, want.requests)
				}
				if n := base.bodies[0].read.Load(); n > discardMost+1 {
					t.Errorf("read %d bytes of the first response, want at most 64 KiB", n)
				}
				if want.status == http.StatusUnauthorized {
					if n, err := io.CopyN(io.Discard, resp.Body, 200<<10); err != nil {
						t.Errorf("the response ends after %d bytes: %v", n, err)
					}
				}
				_ = resp.Body.Close()
				if base.bodies[0].closes.Load() == 0 {
					t.Error("the first response was left open")
				}
			})
		})
	}
}

// A 401 whose body never ends must not hold up the request that follows.
func TestEndlessRejection(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.search(t)
		s.Fail(smarttest.FHIR, smarttest.Fault{Times: 1, Handler: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write(bytes.Repeat([]byte("x"), 100))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}})
		begin := time.Now()
		if status, _ := s.search(t); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
		if took := time.Since(begin); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// TestEndlessRejection for a body that is kept to be sent again.
func TestStalledRejectionOfAnOpaqueBody(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		if _, err := s.src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Fail(smarttest.FHIR, smarttest.Fault{Times: 1, Handler: func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = w.Write([]byte("Unauth"))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}}, smarttest.Fault{Status: 201})
		begin := time.Now()
		resp, err := s.client.Post(s.BaseURL()+"/Patient", "text/plain", struct{ io.Reader }{strings.NewReader("body")})
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if took := time.Since(begin); resp.StatusCode != http.StatusCreated || took != time.Second {
			t.Errorf("status %d after %v, want 201 after a second", resp.StatusCode, took)
		}
	})
}

// A request that cannot be sent again has no use for a new token, and gets its 401 at once.
func TestUnrepeatableRequestDoesNotWait(t *testing.T) {
	for name, lag := range map[string]time.Duration{"revoked": 0, "lagging clock": 3 * time.Second} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, s *sandbox) {
				s.SetClockOffset(smarttest.FHIRServer, -lag)
				token, err := s.src.Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if lag == 0 {
					s.RevokeAll()
				}
				s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Hang: true})
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.BaseURL()+"/Patient",
					struct{ io.Reader }{bytes.NewReader(bytes.Repeat([]byte(" "), 2*copyMost))})
				if err != nil {
					t.Fatal(err)
				}
				r.ContentLength = 2 * copyMost
				begin := time.Now()
				resp, err := s.client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				text, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if resp.StatusCode != http.StatusUnauthorized || string(text) != "Unauthorized" || err != nil || time.Since(begin) != 0 {
					t.Errorf("%d %q, %v after %v, want the server's 401 at once", resp.StatusCode, text, err, time.Since(begin))
				}
				s.Clear()
				time.Sleep(4 * time.Second)
				next, err := s.src.Token(t.Context())
				if err != nil || (next == token) != (lag > 0) {
					t.Errorf("the next token: %v, %v, want another one only if this one is bad", next, err)
				}
			})
		})
	}
}
