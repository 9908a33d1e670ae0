package smartretryable_test

import (
	"context"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	smartretryable "github.com/smartauth-go/smartauth/adapters/retryablehttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// sandbox is a FHIR server whose tokens last a day, a source for it, and retryablehttp clients.
type sandbox struct {
	*smarttest.Server
	src     *smartauth.Source
	skipped *skipped
}

func inMemory(t *testing.T, test func(*testing.T, *sandbox)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &sandbox{Server: smarttest.New(t, smarttest.Options{InMemory: true, TokenLifetime: 24 * time.Hour}), skipped: &skipped{}}
		s.src = s.source(t)
		test(t, s)
	})
}

// source is that of a new client at the sandbox.
func (s *sandbox) source(t *testing.T) *smartauth.Source {
	t.Helper()
	cfg := s.NewClient(smarttest.ClientOptions{})
	cfg.Observer = s.skipped
	src, err := smartauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return src
}

// bare is a client that is not attached, and waits an hour before each retry.
func (s *sandbox) bare() *retryablehttp.Client {
	client := retryablehttp.NewClient()
	client.HTTPClient, client.Logger = s.Client(), nil
	client.RetryWaitMin, client.RetryWaitMax = time.Hour, time.Hour
	return client
}

func (s *sandbox) attached(t *testing.T) *retryablehttp.Client {
	t.Helper()
	client := s.bare()
	attachTo(t, client, s.src)
	return client
}

func attachTo(t *testing.T, client *retryablehttp.Client, src smartauth.TokenSource) {
	t.Helper()
	if err := smartretryable.Attach(client, src); err != nil {
		t.Fatal(err)
	}
}

// failWith makes the FHIR server answer with the statuses, in that order, before it does its work. It lets a minute pass, so
// that honest revocations are never too many.
func (s *sandbox) failWith(statuses ...int) {
	time.Sleep(time.Minute)
	faults := make([]smarttest.Fault, len(statuses))
	for i, status := range statuses {
		faults[i] = smarttest.Fault{Times: 1, Status: status, Body: http.StatusText(status)}
	}
	s.Fail(smarttest.FHIR, faults...)
}

// patients is a search that any client may make.
func (s *sandbox) patients(t *testing.T, ctx context.Context) *retryablehttp.Request {
	t.Helper()
	r, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, s.BaseURL()+"/Patient?_count=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// search makes the request and fails the test unless it ends with the status.
func (s *sandbox) search(t *testing.T, client *retryablehttp.Client, status int) {
	t.Helper()
	if got, err := statusOf(client.Do(s.patients(t, t.Context()))); err != nil || got != status {
		t.Errorf("status %d, %v, want %d", got, err, status)
	}
}

// statusOf reads and closes the response.
func statusOf(resp *http.Response, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode, err
}

func tokenOf(t *testing.T, src *smartauth.Source) string {
	t.Helper()
	token, err := src.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token.AccessToken()
}

// lastBearer is what the FHIR server got last, "" for no bearer.
func (s *sandbox) lastBearer() string {
	all := s.Requests(smarttest.FHIR)
	return all[len(all)-1].Bearer()
}

// skipped is an Observer that remembers which requests went without a bearer.
type skipped struct {
	mu      sync.Mutex
	reasons []smartauth.SkipReason
}

func (s *skipped) PhaseStart(ctx context.Context, _ smartauth.PhaseStart) context.Context { return ctx }
func (s *skipped) PhaseEnd(context.Context, smartauth.PhaseEnd)                           {}

func (s *skipped) BearerSkipped(_ context.Context, e smartauth.BearerSkipped) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reasons = append(s.reasons, e.Reason)
}
