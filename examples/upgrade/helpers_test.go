package upgrade_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/go-resty/resty/v2"
	"github.com/hashicorp/go-retryablehttp"
	smartresty "github.com/smartauth-go/smartauth/adapters/resty"
	smartretryable "github.com/smartauth-go/smartauth/adapters/retryablehttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// A sandbox has a source, whose observer it is: it keeps which requests went without a bearer, and why.
type sandbox struct {
	*smarttest.Server
	src     *smartauth.Source
	skipped []smartauth.SkipReason
}

func (s *sandbox) PhaseStart(ctx context.Context, _ smartauth.PhaseStart) context.Context { return ctx }
func (s *sandbox) PhaseEnd(context.Context, smartauth.PhaseEnd)                           {}
func (s *sandbox) BearerSkipped(_ context.Context, skip smartauth.BearerSkipped) {
	s.skipped = append(s.skipped, skip.Reason)
}

func inMemory(t *testing.T, test func(*testing.T, *sandbox)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &sandbox{Server: smarttest.New(t, smarttest.Options{InMemory: true})}
		config := s.NewClient(smarttest.ClientOptions{})
		config.Observer = s
		var err error
		if s.src, err = smartauth.New(config); err != nil {
			t.Fatal(err)
		}
		test(t, s)
	})
}

func (s *sandbox) patients() string { return s.BaseURL() + "/Patient?_count=1" }

// resty returns a client that was set up before Attach.
func (s *sandbox) resty(t *testing.T, before ...func(*resty.Client)) *resty.Client {
	t.Helper()
	client := resty.NewWithClient(s.Client()).SetBaseURL(s.BaseURL()).SetLogger(quiet{})
	for _, set := range before {
		set(client)
	}
	if err := smartresty.Attach(client, s.src); err != nil {
		t.Fatal(err)
	}
	return client
}

type quiet struct{}

func (quiet) Errorf(string, ...any) {}
func (quiet) Warnf(string, ...any)  {}
func (quiet) Debugf(string, ...any) {}

func (s *sandbox) retryable(t *testing.T, before ...func(*retryablehttp.Client)) *retryablehttp.Client {
	t.Helper()
	client := retryablehttp.NewClient()
	client.HTTPClient, client.Logger = s.Client(), nil
	for _, set := range before {
		set(client)
	}
	if err := smartretryable.Attach(client, s.src); err != nil {
		t.Fatal(err)
	}
	return client
}

// statusOf returns the status of a response, 0 if there is an error.
func statusOf(resp *http.Response, err error) int {
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func (s *sandbox) wants(t *testing.T, what string, status, want int, skipped ...smartauth.SkipReason) {
	t.Helper()
	if status != want || !slices.Equal(s.skipped, skipped) {
		t.Errorf("%s: status %d, want %d; reported as skipped: %v, want %v", what, status, want, s.skipped, skipped)
	}
	s.skipped = nil
}
