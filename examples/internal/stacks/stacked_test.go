package stacks

import (
	"context"
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/go-resty/resty/v2"
	"github.com/hashicorp/go-retryablehttp"
	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartresty "github.com/smartauth-go/smartauth/adapters/resty"
	smartretryable "github.com/smartauth-go/smartauth/adapters/retryablehttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// skipped is an Observer of requests without a bearer.
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

// Clients on top of each other, attached to one source, report no request that has its token, but still one with another.
func TestStackedClients(t *testing.T) {
	retrying := func(t *testing.T, src *smartauth.Source, base *http.Client) *retryablehttp.Client {
		client := retryablehttp.NewClient()
		client.HTTPClient, client.Logger, client.RetryMax = base, nil, 0
		if err := smartretryable.Attach(client, src); err != nil {
			t.Fatal(err)
		}
		return client
	}
	attach := func(t *testing.T, src *smartauth.Source, base *http.Client) *resty.Client {
		client := resty.NewWithClient(base)
		if err := smartresty.Attach(client, src); err != nil {
			t.Fatal(err)
		}
		return client
	}
	for name, stack := range map[string]func(*testing.T, *smartauth.Source, *http.Client) func(*http.Request) (*http.Response, error){
		"retryablehttp over the http.Client of resty": func(t *testing.T, src *smartauth.Source, base *http.Client) func(*http.Request) (*http.Response, error) {
			attach(t, src, base)
			return retrying(t, src, base).StandardClient().Do
		},
		"resty over the client of NewClient": func(t *testing.T, src *smartauth.Source, base *http.Client) func(*http.Request) (*http.Response, error) {
			client := attach(t, src, smarthttp.NewClient(src, base))
			return func(r *http.Request) (*http.Response, error) {
				resp, err := client.R().SetContext(r.Context()).SetHeaderMultiValues(r.Header).SetDoNotParseResponse(true).Get(r.URL.String())
				return resp.RawResponse, err
			}
		},
		"NewClient over the HTTPClient of retryablehttp": func(t *testing.T, src *smartauth.Source, base *http.Client) func(*http.Request) (*http.Response, error) {
			return smarthttp.NewClient(src, retrying(t, src, base).HTTPClient).Do
		},
		"NewClient over the StandardClient of retryablehttp": func(t *testing.T, src *smartauth.Source, base *http.Client) func(*http.Request) (*http.Response, error) {
			return smarthttp.NewClient(src, retrying(t, src, base).StandardClient()).Do
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, told := smarttest.New(t, smarttest.Options{InMemory: true}), &skipped{}
				cfg := srv.NewClient(smarttest.ClientOptions{})
				cfg.Observer = told
				src, err := smartauth.New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				do := stack(t, src, srv.Client())
				search := func(authorization string, want int) {
					r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, patients(src), nil)
					if err != nil {
						t.Fatal(err)
					}
					if authorization != "" {
						r.Header.Set("Authorization", authorization)
					}
					if got, err := status(do(r)); err != nil || got != want {
						t.Errorf("status %d, %v, want %d", got, err, want)
					}
				}
				search("", http.StatusOK)
				srv.RevokeAll()
				search("", http.StatusOK)
				if n := srv.Counts().TokenRequests; n != 2 || len(told.reasons) != 0 {
					t.Errorf("%d token requests, and reported %v, want 2 and nothing", n, told.reasons)
				}
				search("Bearer own", http.StatusUnauthorized)
				if !slices.Contains(told.reasons, smartauth.SkipOwnAuthorization) {
					t.Error("another Authorization was not reported")
				}
			})
		})
	}
}
