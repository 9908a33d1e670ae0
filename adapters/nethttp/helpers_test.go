package smarthttp_test

import (
	"context"
	"io"
	"net/http"
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
	if opts.InMemory { // a refresh may be under way when the test ends, and the bubble must not end before it
		t.Cleanup(func() { time.Sleep(time.Minute) })
	}
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

// seen remembers the request.
type seen struct{ r *http.Request }

func (s *seen) RoundTrip(r *http.Request) (*http.Response, error) {
	s.r = r
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Request: r}, nil
}

// staticSource always has the same token.
type staticSource struct{ token *smartauth.Token }

func (s staticSource) Token(context.Context) (*smartauth.Token, error) { return s.token, nil }
func (s staticSource) Invalidate(*smartauth.Token)                     {}
func (s staticSource) BaseURL() string                                 { return "https://fhir.example.nl/fhir/DEFAULT" }

// bare is a TokenSource that does not say where its tokens belong.
type bare struct{ smartauth.TokenSource }

// fhirRequest has the four headers that FHIR clients commonly set.
func fhirRequest(tb testing.TB) *http.Request {
	r, err := http.NewRequest(http.MethodGet, "https://fhir.example.nl/fhir/DEFAULT/Patient?_count=1", nil)
	if err != nil {
		tb.Fatal(err)
	}
	for _, h := range []string{"Accept", "User-Agent", "X-Request-Id", "X-Trace-Id"} {
		r.Header.Set(h, "value")
	}
	return r
}

// reporting is a source that is told of what went without its token.
type reporting struct {
	staticSource
	*events
}
