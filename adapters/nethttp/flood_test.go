package smarthttp_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

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
				if n := base.bodies[0].read.Load(); n > maxDiscard+1 {
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
					struct{ io.Reader }{bytes.NewReader(bytes.Repeat([]byte(" "), 2*maxCopy))})
				if err != nil {
					t.Fatal(err)
				}
				r.ContentLength = 2 * maxCopy
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
