package upgrade_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/hashicorp/go-retryablehttp"
	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// These tests hold docs/stacks.md to its word, where the adapters' own tests do not.

func TestRestySettings(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		get := func(c *resty.Client) int {
			resp, err := c.R().Get("/Patient?_count=1")
			if err != nil {
				return 0
			}
			return resp.StatusCode()
		}
		client := s.resty(t)
		s.wants(t, "as it is", get(client), 200)
		s.wants(t, "SetAuthToken after Attach", get(client.SetAuthToken("own")), 401, smartauth.SkipOwnAuthorization)
		s.wants(t, "SetBaseURL after Attach", get(s.resty(t).SetBaseURL(s.AuthOrigin())), 404, smartauth.SkipForeignOrigin)
		s.wants(t, "SetTransport after Attach", get(s.resty(t).SetTransport(s.Transport())), 401)

		client = s.resty(t).SetDigestAuth("user", "password")
		s.wants(t, "SetDigestAuth after Attach", get(client), 200)
		s.RevokeAll()
		s.wants(t, "SetDigestAuth after Attach", get(client), 200)

		// A condition of one's own for 401 repeats those only that could not be healed.
		sent := func(client *resty.Client) int {
			before := s.Counts().FHIR
			get(client)
			return s.Counts().FHIR - before
		}
		client = s.resty(t).SetRetryCount(2).AddRetryCondition(func(r *resty.Response, _ error) bool { return r.StatusCode() == 401 })
		s.RevokeAll()
		if n := sent(client); n != 2 {
			t.Errorf("a 401 that was healed took %d requests", n)
		}
		time.Sleep(time.Minute)
		s.AlwaysUnauthorized(true)
		if n := sent(client); n != 4 {
			t.Errorf("a 401 that stays took %d requests, want two and two repeats", n)
		}
	})
}

// Digest before Attach puts back the transport that it found, and gives up as there is no challenge. It leaves its connection
// open, so the sandbox is one whose end closes that.
func TestDigestBeforeAttach(t *testing.T) {
	s := &sandbox{Server: smarttest.New(t, smarttest.Options{})}
	var err error
	if s.src, err = smartauth.New(s.NewClient(smarttest.ClientOptions{})); err != nil {
		t.Fatal(err)
	}
	client := s.resty(t, func(c *resty.Client) { c.SetDigestAuth("user", "password") })
	if _, err := client.R().Get("/Patient?_count=1"); !errors.Is(err, resty.ErrDigestBadChallenge) {
		t.Errorf("error %v, want digest's", err)
	}
	if got := s.Requests(smarttest.FHIR); len(got) != 1 || got[0].Bearer() != "" || len(s.skipped) > 0 {
		t.Errorf("%d requests, want one without a token; reported as skipped: %v", len(got), s.skipped)
	}

	client = s.resty(t, func(c *resty.Client) { c.SetTransport(s.Transport()) }).SetDigestAuth("user", "password")
	s.AlwaysUnauthorized(true)
	if _, err := client.R().Get("/Patient?_count=1"); !errors.Is(err, resty.ErrDigestBadChallenge) {
		t.Errorf("after Attach, with a 401 that stays: error %v, want digest's", err)
	}
	if got := s.Requests(smarttest.FHIR); len(got) != 3 || got[2].Bearer() == "" {
		t.Errorf("%d requests, want two more, with a token", len(got))
	}
}

func TestRetryableSettings(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		client := s.retryable(t)
		s.wants(t, "as it is", statusOf(client.Get(s.patients())), 200)
		client.HTTPClient = s.Client()
		s.wants(t, "HTTPClient after Attach", statusOf(client.Get(s.patients())), 401)
		client = s.retryable(t, func(c *retryablehttp.Client) {
			c.RequestLogHook = func(_ retryablehttp.Logger, r *http.Request, _ int) { r.Header.Set("Authorization", "Bearer own") }
		})
		s.wants(t, "own token in RequestLogHook", statusOf(client.Get(s.patients())), 401, smartauth.SkipOwnAuthorization)
		client = s.retryable(t, func(c *retryablehttp.Client) {
			c.RetryWaitMin, c.RetryWaitMax = time.Second, time.Second
			c.PrepareRetry = func(r *http.Request) error { r.Header.Set("Authorization", "Bearer own"); return nil }
		})
		s.Fail(smarttest.FHIR, smarttest.Fault{Times: 1, Status: 503})
		s.wants(t, "own token in PrepareRetry", statusOf(client.Get(s.patients())), 401, smartauth.SkipOwnAuthorization)
		s.RevokeAll()
		s.wants(t, "PrepareRetry and a healed 401", statusOf(client.Get(s.patients())), 200)
	})
}

func TestUserInURLIsAnOwnAuthorization(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		address := strings.Replace(s.patients(), "://", "://user:password@", 1)
		client := smarthttp.NewClient(s.src, s.Client())
		s.wants(t, "user in the URL", statusOf(client.Get(address)), 401, smartauth.SkipOwnAuthorization)
	})
}

// A timeout of the stack ends the wait for a token, not the token request, which is there for others, too.
func TestTimeoutsIncludeTheToken(t *testing.T) {
	for name, get := range map[string]func(*testing.T, *sandbox, time.Duration) error{
		"net/http": func(_ *testing.T, s *sandbox, timeout time.Duration) error {
			return closed(smarthttp.NewClient(s.src, &http.Client{Transport: s.Transport(), Timeout: timeout}).Get(s.patients()))
		},
		"resty": func(t *testing.T, s *sandbox, timeout time.Duration) error {
			_, err := s.resty(t).SetTimeout(timeout).R().Get("/Patient?_count=1")
			return err
		},
		"go-retryablehttp": func(t *testing.T, s *sandbox, timeout time.Duration) error {
			client := s.retryable(t, func(c *retryablehttp.Client) { c.HTTPClient.Timeout, c.RetryMax = timeout, 0 })
			return closed(client.Get(s.patients()))
		},
	} {
		inMemory(t, func(t *testing.T, s *sandbox) {
			s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: 5 * time.Second})
			begin := time.Now()
			if err := get(t, s, time.Second); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
				t.Errorf("%s: error %v after %v", name, err, time.Since(begin))
			}
			time.Sleep(10 * time.Second)
			if err := get(t, s, time.Second); err != nil || s.Counts().TokenRequests != 1 {
				t.Errorf("%s: %v, and %d token requests", name, err, s.Counts().TokenRequests)
			}
		})
	}
}

func closed(resp *http.Response, err error) error {
	if err == nil {
		err = resp.Body.Close()
	}
	return err
}

// seen counts the requests that pass it, and those of them that carry a token.
type seen struct {
	base             http.RoundTripper
	requests, bearer int
}

func (c *seen) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests++
	if r.Header.Get("Authorization") != "" {
		c.bearer++
	}
	return c.base.RoundTrip(r)
}

// A transport inside sees each sending with its token, one outside each call without.
func TestTransportsInsideAndOutside(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		inside := &seen{base: s.Transport()}
		outside := &seen{base: &smarthttp.Transport{Source: s.src, Base: inside}}
		client := &http.Client{Transport: outside}
		for range 2 {
			s.wants(t, "wrapped", statusOf(client.Get(s.patients())), 200)
			s.RevokeAll()
		}
		if inside.requests != 3 || inside.bearer != 3 || outside.requests != 2 || outside.bearer != 0 {
			t.Errorf("inside %d requests, %d with a token; outside %d and %d", inside.requests, inside.bearer, outside.requests, outside.bearer)
		}
	})
}
