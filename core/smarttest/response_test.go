package smarttest_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestBodyTooLarge(t *testing.T) {
	for _, memory := range []bool{false, true} {
		s := smarttest.New(t, smarttest.Options{InMemory: memory})
		register(s)
		token := accessToken(t, s)
		s.Fail(smarttest.FHIR, smarttest.Fault{Status: http.StatusOK})
		for length, want := range map[int]int{16 << 20: 200, 16<<20 + 1: 413, 40 << 20: 413} {
			before := s.Counts().FHIR
			a := send(t, s, "POST", s.BaseURL()+"/Patient", token, string(make([]byte, length)))
			if n := s.Counts().FHIR - before; a.status != want || n != 1 {
				t.Errorf("memory %v, %d bytes: %d %s, counted %d times, want %d and once", memory, length, a.status, a.body, n, want)
			}
		}
	}
}

// Requests that never arrive whole are counted, too.
func TestCountsBeforeTheBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smarttest.New(t, smarttest.Options{InMemory: true})
		body, w := io.Pipe()
		ended := make(chan error)
		go func() {
			resp, err := s.Client().Post(s.BaseURL()+"/Patient", "", body)
			if err == nil {
				_ = resp.Body.Close()
			}
			ended <- err
		}()
		_, _ = w.Write([]byte("{"))
		synctest.Wait()
		if n := s.Counts().FHIR; n != 1 {
			t.Errorf("%d requests counted while the body is on its way", n)
		}
		_ = w.CloseWithError(io.ErrUnexpectedEOF)
		if err := <-ended; err == nil {
			t.Error("a response to half a request")
		}
	})
}

// What a handler sends early passes through a fault and the server's clock like the rest.
func TestHandlersFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := smarttest.New(t, smarttest.Options{InMemory: true})
		s.SetClockOffset(smarttest.FHIRServer, time.Hour)
		for name, flush := range map[string]func(http.ResponseWriter) error{
			"Flusher":            func(w http.ResponseWriter) error { w.(http.Flusher).Flush(); return nil },
			"ResponseController": func(w http.ResponseWriter) error { return http.NewResponseController(w).Flush() },
		} {
			flushed := make(chan struct{})
			s.Fail(smarttest.FHIR, smarttest.Fault{Header: http.Header{"X-Fault": {"yes"}}, Delay: time.Second,
				Handler: func(w http.ResponseWriter, _ *http.Request) {
					if err := flush(w); err != nil {
						t.Error(err)
					}
					<-flushed
				}})
			begin := time.Now()
			resp, err := s.Client().Get(s.BaseURL() + "/Patient")
			if err != nil {
				t.Fatal(err)
			}
			date, _ := http.ParseTime(resp.Header.Get("Date"))
			if took := time.Since(begin); took != time.Second || resp.Header.Get("X-Fault") != "yes" || time.Until(date).Round(time.Minute) != time.Hour {
				t.Errorf("%s: after %v: %v", name, took, resp.Header)
			}
			close(flushed)
			_ = resp.Body.Close()
		}
	})
}

func TestHandlersInform(t *testing.T) {
	s := smarttest.New(t, smarttest.Options{})
	s.Fail(smarttest.FHIR, smarttest.Fault{Handler: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.Copy(w, bytes.NewReader([]byte("body")))
	}})
	var early []int
	r := must(http.NewRequest("GET", s.BaseURL()+"/Patient", nil))
	r = r.WithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error { early = append(early, code); return nil },
	}))
	if a := do(t, s, r); a.status != 401 || a.body != "body" || len(early) != 1 || early[0] != http.StatusEarlyHints {
		t.Errorf("%d %q after %v", a.status, a.body, early)
	}
	if n := s.Counts().FHIRUnauthorized; n != 1 {
		t.Errorf("%d answers of 401 counted", n)
	}
}
