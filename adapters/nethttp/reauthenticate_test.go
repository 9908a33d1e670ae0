package smarthttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestStaggeredRejections(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.search(t)
		s.RevokeAll()
		s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: 100 * time.Millisecond})
		s.OnRequest(func(r smarttest.Request) { // the answers come one after the other, before and after the renewal
			if r.Endpoint == smarttest.FHIR {
				time.Sleep(time.Duration(rand.N(300)) * time.Millisecond)
			}
		})
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				if status, _ := s.search(t); status != http.StatusOK {
					t.Errorf("status %d", status)
				}
			})
		}
		wg.Wait()
		if n := s.Counts().TokenRequests; n != 2 {
			t.Errorf("%d token requests, want 2", n)
		}
	})
}

func TestTwoRevocationsHalfASecondApart(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.search(t)
		for range 2 {
			s.RevokeAll()
			if status, _ := s.search(t); status != http.StatusOK {
				t.Errorf("status %d", status)
			}
			time.Sleep(500 * time.Millisecond)
		}
		if n := s.Counts().TokenRequests; n != 3 {
			t.Errorf("%d token requests, want 3", n)
		}
	})
}

func TestAlwaysUnauthorizedIsReported(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.AlwaysUnauthorized(true)
		for range 10 {
			if status, body := s.search(t); status != http.StatusUnauthorized || body != "Unauthorized" {
				t.Fatalf("%d %q, want the server's own 401", status, body)
			}
		}
		var failed, suppressed int
		for _, r := range s.events.rejections {
			switch r.Outcome {
			case smartauth.OutcomeFailed:
				failed++
			case smartauth.OutcomeSuppressed:
				suppressed++
			}
		}
		if failed != 3 || suppressed != 7 {
			t.Errorf("%d failed and %d suppressed, want 3 renewals and 7 for which there was none", failed, suppressed)
		}
	})
}

// One 401 that was not meant, while the authorization server is down.
func TestSpuriousRejectionDuringAnOutage(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.search(t)
		s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
		s.Fail(smarttest.FHIR, smarttest.Fault{Times: 1, Status: 401})
		var wg sync.WaitGroup
		var mu sync.Mutex
		failed := 0
		for i := range 100 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				resp, err := s.client.Get(s.BaseURL() + "/Patient?_count=1")
				if err == nil {
					defer func() { _ = resp.Body.Close() }()
				}
				if err != nil || resp.StatusCode != http.StatusOK {
					mu.Lock()
					failed++
					mu.Unlock()
					var e *smartauth.Error
					if !errors.As(err, &e) || !strings.Contains(err.Error(), "the FHIR server answered 401") {
						t.Errorf("error %v, want one that wraps *smartauth.Error and tells of the 401", err)
					}
				}
			})
		}
		wg.Wait()
		if failed != 1 {
			t.Errorf("%d of 100 calls failed, want the refused one alone", failed)
		}
	})
}

// The connection of the first response serves the second request.
func TestResendReusesTheConnection(t *testing.T) {
	const patient = `{"resourceType":"Patient"}`
	for name, body := range map[string]func() io.Reader{
		"no body": func() io.Reader { return nil },
		"GetBody": func() io.Reader { return strings.NewReader(patient) },
		"opaque":  func() io.Reader { return struct{ io.Reader }{strings.NewReader(patient)} },
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t, smarttest.Options{})
			s.search(t)
			s.RevokeAll()
			var reused []bool
			ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = append(reused, i.Reused) }})
			method, url, want := http.MethodPost, s.BaseURL()+"/Patient", http.StatusCreated
			if body() == nil {
				method, url, want = http.MethodGet, url+"?_count=1", http.StatusOK
			}
			r, err := http.NewRequestWithContext(ctx, method, url, body())
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Content-Type", "application/fhir+json")
			resp, err := s.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != want {
				t.Fatalf("status %d", resp.StatusCode)
			}
			if len(reused) != 2 || !reused[0] || !reused[1] {
				t.Errorf("connections reused: %v, want both, and no other requests in the caller's trace", reused)
			}
		})
	}
}

// broken is an Observer that panics at what the transport reports.
type broken struct{ events }

func (*broken) Rejected(context.Context, smartauth.Rejection)          { panic("rejected") }
func (*broken) BearerSkipped(context.Context, smartauth.BearerSkipped) { panic("skipped") }

func TestPanickingObserverDoesNoHarm(t *testing.T) {
	defer slog.SetDefault(slog.Default())
	slog.SetDefault(slog.New(slog.DiscardHandler))
	inMemory(t, func(t *testing.T, s *sandbox) {
		cfg := s.NewClient(smarttest.ClientOptions{})
		cfg.Observer = &broken{}
		src, err := smartauth.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		s.client = smarthttp.NewClient(src, s.Client())
		s.search(t)
		s.RevokeAll()
		if status, _ := s.search(t); status != http.StatusOK {
			t.Errorf("status %d, want 200 after another token", status)
		}
		if status, _ := s.get(t, smarthttp.WithoutBearer(t.Context()), s.BaseURL()+"/Patient"); status != http.StatusUnauthorized {
			t.Errorf("status %d without a bearer", status)
		}
	})
}

// Neither what the FHIR server said nor the token gets into the error.
func TestErrorAfterARejectionHoldsNoSecret(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		token, err := s.src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		const marker = "hunter2-marker"
		s.Fail(smarttest.FHIR, smarttest.Fault{Status: 401, Body: marker + token.AccessToken(),
			Header: http.Header{"Www-Authenticate": {`Bearer error="` + marker + `"`}}})
		s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 401, Body: marker})
		resp, err := s.client.Get(s.BaseURL() + "/Patient?_count=1")
		if err == nil {
			_ = resp.Body.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "the FHIR server answered 401") {
			t.Fatalf("error %v, want one that tells of the 401", err)
		}
		for e := err; e != nil; e = errors.Unwrap(e) {
			for _, text := range []string{fmt.Sprintf("%v %+v %#v %q %x", e, e, e, e, e), fmt.Sprint(struct{ error }{e})} {
				for _, secret := range []string{marker, token.AccessToken(), fmt.Sprintf("%x", token.AccessToken())} {
					if strings.Contains(text, secret) {
						t.Errorf("%q is in %s", secret, text)
					}
				}
			}
		}
	})
}
