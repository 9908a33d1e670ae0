package smarthttp_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// events is an Observer that remembers what the transport reports.
type events struct {
	mu         sync.Mutex
	rejections []smartauth.Rejection
	skipped    []smartauth.SkipReason
}

func (e *events) PhaseStart(ctx context.Context, _ smartauth.PhaseStart) context.Context { return ctx }
func (e *events) PhaseEnd(context.Context, smartauth.PhaseEnd)                           {}

func (e *events) Rejected(_ context.Context, r smartauth.Rejection) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.rejections = append(e.rejections, r)
}

func (e *events) BearerSkipped(_ context.Context, s smartauth.BearerSkipped) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.skipped = append(e.skipped, s.Reason)
}

type sandbox struct {
	*smarttest.Server
	src    *smartauth.Source
	client *http.Client
	events *events
}

func start(t *testing.T, opts smarttest.Options) *sandbox {
	t.Helper()
	s := &sandbox{Server: smarttest.New(t, opts), events: &events{}}
	cfg := s.NewClient(smarttest.ClientOptions{})
	cfg.Observer = s.events
	src, err := smartauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.src, s.client = src, smarthttp.NewClient(src, s.Client())
	return s
}

func inMemory(t *testing.T, test func(*testing.T, *sandbox)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, start(t, smarttest.Options{InMemory: true})) })
}

// get reads the response and returns its status and body.
func (s *sandbox) get(t *testing.T, ctx context.Context, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.client.Do(r)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(body)
}

func (s *sandbox) search(t *testing.T) (int, string) {
	t.Helper()
	return s.get(t, t.Context(), s.BaseURL()+"/Patient?_count=1")
}

// A FHIR server whose clock lags refuses a fresh token until it has caught up (nbf without leeway, as at Koppeltaal).
func TestLaggingFHIRClock(t *testing.T) {
	for _, lag := range []time.Duration{300 * time.Millisecond, time.Second, 2 * time.Second} {
		for _, part := range []time.Duration{0, 400 * time.Millisecond, 999 * time.Millisecond} { // of a second, at the start
			t.Run(fmt.Sprint(lag, "+", part), func(t *testing.T) {
				inMemory(t, func(t *testing.T, s *sandbox) {
					time.Sleep(part)
					s.SetClockOffset(smarttest.FHIRServer, -lag)
					var wg sync.WaitGroup
					for range 5 {
						wg.Go(func() {
							for range 300 { // past a renewal
								begin := time.Now()
								if status, _ := s.search(t); status != http.StatusOK {
									t.Errorf("status %d", status)
								}
								if took := time.Since(begin); took > 3*time.Second {
									t.Errorf("a call took %v", took)
								}
								time.Sleep(time.Second)
							}
						})
					}
					wg.Wait()
					if n := s.Counts().TokenRequests; n != 2 {
						t.Errorf("%d token requests in 300 s, want 2: none because of the clock", n)
					}
				})
			})
		}
	}
}

// An honest revocation at a server whose clock lags: the new token is not valid there yet.
func TestRevocationAtALaggingClock(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.SetClockOffset(smarttest.FHIRServer, -2*time.Second)
		s.search(t)
		time.Sleep(time.Minute)
		s.RevokeAll()
		if status, _ := s.search(t); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
		if n := s.Counts().TokenRequests; n != 2 {
			t.Errorf("%d token requests, want 2", n)
		}
		last := s.events.rejections[len(s.events.rejections)-1]
		if last.Outcome != smartauth.OutcomeRecovered || last.Waited != 2*time.Second {
			t.Errorf("reported %+v, want recovered after a wait of 2 s", last)
		}
	})
}

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

func TestSkipped(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		var foreign []string
		redirect := ""
		origin, err := s.Serve("files.example.test:80", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			foreign = append(foreign, r.Header.Get("Authorization"))
			if redirect != "" {
				http.Redirect(w, r, redirect, http.StatusFound)
			}
		}))
		if err != nil {
			t.Fatal(err)
		}
		own, err := http.NewRequest(http.MethodGet, s.BaseURL()+"/Patient", nil)
		if err != nil {
			t.Fatal(err)
		}
		own.SetBasicAuth("user", "password")

		s.get(t, t.Context(), origin+"/file")
		redirect = s.BaseURL() + "/Patient"
		s.get(t, t.Context(), origin+"/file")
		s.get(t, smarthttp.WithoutBearer(t.Context()), s.BaseURL()+"/Patient")
		resp, err := s.client.Do(own)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()

		want := []smartauth.SkipReason{smartauth.SkipForeignOrigin, smartauth.SkipForeignOrigin, smartauth.SkipForeignRedirect,
			smartauth.SkipOptOut, smartauth.SkipOwnAuthorization}
		if got := s.events.skipped; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("skipped %v, want %v", got, want)
		}
		if strings.Join(foreign, "") != "" {
			t.Errorf("the other origin got %q", foreign)
		}
		if n := s.Counts().TokenRequests; n != 0 {
			t.Errorf("%d token requests for requests without a bearer", n)
		}
	})
}

// What counts as the same origin, without a network.
func TestOrigins(t *testing.T) {
	token := smartauth.NewToken("token", time.Time{})
	for url, want := range map[string]bool{
		"https://fhir.example.nl/x":                  true,
		"https://fhir.example.nl:443/x":              true,
		"HTTPS://FHIR.Example.NL/x":                  true,
		"https://files.example.nl/x":                 true,
		"https://files.example.nl:8443/x":            false,
		"http://fhir.example.nl/x":                   false,
		"http://fhir.example.nl:443/x":               false,
		"https://fhir.example.nl:80/x":               false,
		"https://fhir.example.nl./x":                 false,
		"https://fhir.example.nl.evil.test/x":        false,
		"https://evil.test/fhir.example.nl":          false,
		"https://fhir.example.nl@evil.test/x":        false,
		"https://\u212Aoppeltaal.example.nl/x":       false, // the Kelvin sign
		"https://koppeltaal.example.nl/x":            true,
		"https://[::ffff:127.0.0.1]/x":               false,
		"https://xn--fhir-example.nl/x":              false,
		"https://fhir.example.nl:0443/x":             false,
		"https://fhir.example.nl\u3002evil.test:1/x": false,
	} {
		base := &seen{}
		transport := &smarthttp.Transport{Source: staticSource{token}, Base: base,
			Origins: []string{"https://Files.example.nl/any/path", "https://koppeltaal.example.nl"}}
		r, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Scheme, _, _ = strings.Cut(url, ":") // which parsing made lower case
		if _, err := transport.RoundTrip(r); err != nil {
			t.Fatal(err)
		}
		if got := base.r.Header.Get("Authorization") != ""; got != want {
			t.Errorf("%s: bearer %v, want %v", url, got, want)
		}
		if r.Header.Get("Authorization") != "" {
			t.Error("the caller's own request was changed")
		}
	}
}

// seen remembers the request.
type seen struct{ r *http.Request }

func (s *seen) RoundTrip(r *http.Request) (*http.Response, error) {
	s.r = r
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

func TestResponseShowsNoBearer(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		resp, err := s.client.Get(s.BaseURL() + "/Patient?_count=1")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		dump, err := httputil.DumpRequest(resp.Request, true)
		if err != nil {
			t.Fatal(err)
		}
		token, err := s.src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if text := string(dump) + fmt.Sprintf("%+v", resp) + fmt.Sprintf("%+v", resp.Request); strings.Contains(text, token.AccessToken()) {
			t.Error("the response shows the token")
		}
	})
}

// The connection of the first response serves the second request.
func TestResendReusesTheConnection(t *testing.T) {
	s := start(t, smarttest.Options{})
	s.search(t)
	s.RevokeAll()
	var reused []bool
	ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { reused = append(reused, i.Reused) }})
	if status, _ := s.get(t, ctx, s.BaseURL()+"/Patient?_count=1"); status != http.StatusOK {
		t.Fatalf("status %d", status)
	}
	if len(reused) != 2 || !reused[0] || !reused[1] {
		t.Errorf("connections reused: %v, want both, and no other requests in the caller's trace", reused)
	}
}

// A token client that carries the transport must not wait for itself.
func TestTokenClientWithTheTransport(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		shared := &http.Client{}
		cfg := s.NewClient(smarttest.ClientOptions{})
		cfg.HTTPClient = shared
		transport := &smarthttp.Transport{Base: s.Transport()}
		shared.Transport = transport
		src, err := smartauth.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		transport.Source = src
		for _, call := range []func() error{
			func() error { _, err := src.Metadata(t.Context()); return err },
			func() error {
				resp, err := shared.Get(s.BaseURL() + "/Patient")
				if err == nil {
					_ = resp.Body.Close()
				}
				return err
			},
		} {
			begin := time.Now()
			if err := call(); err != nil || time.Since(begin) > 0 {
				t.Errorf("%v after %v", err, time.Since(begin))
			}
		}
		for _, r := range s.Requests(smarttest.Discovery, smarttest.TokenEndpoint) {
			if r.Header.Get("Authorization") != "" {
				t.Errorf("%s %s carried a bearer", r.Method, r.RequestURI)
			}
		}
	})
}

func TestNewClient(t *testing.T) {
	base := &http.Client{Timeout: time.Minute, Transport: &seen{}}
	first := smarthttp.NewClient(staticSource{}, base)
	if _, changed := base.Transport.(*seen); !changed || first.Timeout != time.Minute {
		t.Error("base was changed, or not copied")
	}
	second := smarthttp.NewClient(staticSource{smartauth.NewToken("second", time.Time{})}, first)
	if inner := second.Transport.(*smarthttp.Transport).Base; inner != base.Transport {
		t.Errorf("the second client is stacked on %T", inner)
	}
	if smarthttp.NewClient(staticSource{}, nil).Transport.(*smarthttp.Transport).Base != nil {
		t.Error("a client from nil has a base")
	}
}

// bare is a TokenSource that does not say where its tokens belong.
type bare struct{ smartauth.TokenSource }

func TestMisconfiguration(t *testing.T) {
	for name, c := range map[string]struct {
		transport *smarthttp.Transport
		err       string
	}{
		"no source":        {&smarthttp.Transport{}, "Source is nil"},
		"no origin":        {&smarthttp.Transport{Source: bare{}}, "Transport.Origins"},
		"relative origin":  {&smarthttp.Transport{Source: bare{}, Origins: []string{"/files"}}, "not an absolute"},
		"origin over http": {&smarthttp.Transport{Source: bare{}, Origins: []string{"http://files.example.nl"}}, "plain http"},
	} {
		base := &seen{}
		c.transport.Base = base
		body := &closed{Reader: strings.NewReader("body")}
		r, err := http.NewRequest(http.MethodPost, "https://fhir.example.nl", body)
		if err != nil {
			t.Fatal(err)
		}
		_, err = c.transport.RoundTrip(r)
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want one about %q", name, err, c.err)
		}
		if base.r != nil || !body.closed {
			t.Errorf("%s: a request was sent, or its body left open", name)
		}
	}
}

// closed knows whether it is.
type closed struct {
	io.Reader
	closed bool
}

func (c *closed) Close() error {
	c.closed = true
	return nil
}

type idle struct {
	http.RoundTripper
	called bool
}

func (i *idle) CloseIdleConnections() { i.called = true }

func TestCloseIdleConnections(t *testing.T) {
	base := &idle{}
	smarthttp.NewClient(staticSource{}, &http.Client{Transport: base}).CloseIdleConnections()
	if !base.called {
		t.Error("CloseIdleConnections did not reach the base")
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
