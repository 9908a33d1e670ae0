package smartresty_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// calls is what hooks have been called with, in their order.
type calls []string

func (c *calls) add(format string, args ...any) { *c = append(*c, fmt.Sprintf(format, args...)) }

// hook registers a hook of every kind, but the one of which there is one only.
func (c *calls) hook(client *resty.Client, name string) {
	client.OnBeforeRequest(func(_ *resty.Client, r *resty.Request) error {
		c.add("%s: before %d", name, r.Attempt)
		return nil
	})
	client.OnAfterResponse(func(_ *resty.Client, r *resty.Response) error {
		c.add("%s: response %d", name, r.StatusCode())
		return nil
	})
	client.AddRetryCondition(func(r *resty.Response, err error) bool {
		c.add("%s: condition %d %v", name, r.StatusCode(), err)
		return r.StatusCode() >= 500
	})
	client.AddRetryHook(func(r *resty.Response, _ error) { c.add("%s: retry %d", name, r.StatusCode()) })
	client.OnSuccess(func(_ *resty.Client, r *resty.Response) { c.add("%s: success %d", name, r.StatusCode()) })
	client.OnError(func(*resty.Request, error) { c.add("%s: error", name) })
}

func TestHooksAreCalledAsBefore(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		// run registers hooks before and after Attach, which is left out if src is nil, and makes one call.
		run := func(src smartauth.TokenSource, retries int, statuses ...int) (got calls) {
			client := s.bare().SetRetryCount(retries).SetRetryWaitTime(1)
			got.hook(client, "first")
			client.SetPreRequestHook(func(*resty.Client, *http.Request) error {
				got.add("pre-request")
				return nil
			})
			if src != nil {
				attach(t, client, src)
			} else {
				client.SetAuthToken(tokenOf(t, s.src))
			}
			got.hook(client, "second")
			time.Sleep(time.Minute) // so that honest revocations are never too many
			s.failWith(statuses...)
			_, _ = client.R().Get("/Patient?_count=1")
			s.Clear()
			return got
		}
		for _, c := range []struct {
			name     string
			retries  int
			statuses []int
			with401  []int // the same, to an attached client whose token was revoked
		}{
			{"success", 0, nil, []int{401}},
			{"failure", 0, []int{503}, []int{401, 503}},
			{"success, with retries", 3, nil, []int{401}},
			{"one failure", 3, []int{503}, []int{503, 401}},
			{"every attempt fails", 3, []int{503, 503, 503, 503}, []int{503, 503, 401, 503, 503}},
		} {
			want := run(nil, c.retries, c.statuses...)
			if got := run(s.src, c.retries, c.statuses...); !slices.Equal(got, want) {
				t.Errorf("%s: the hooks were called\n%q, without Attach\n%q", c.name, got, want)
			}
			if got := run(s.src, c.retries, c.with401...); !slices.Equal(got, want) {
				t.Errorf("%s, a 401 healed: the hooks were called\n%q, without Attach\n%q", c.name, got, want)
			}
		}
		want := calls{
			"first: before 1", "second: before 1", "pre-request", "first: response 503", "second: response 503",
			"first: condition 503 <nil>", "first: retry 503", "second: retry 503",
			"first: before 2", "second: before 2", "pre-request", "first: response 200", "second: response 200",
			"first: condition 200 <nil>", "second: condition 200 <nil>", "first: success 200", "second: success 200",
		}
		if got := run(s.src, 3, 503, 401); !slices.Equal(got, want) {
			t.Errorf("the hooks were called\n%q, want\n%q", got, want)
		}
	})
}

// Conditions usually look at the status without asking whether there is a response. There is always one to look at.
func TestConditionsWithoutAToken(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: http.StatusServiceUnavailable})
		for _, retries := range []int{0, 3} {
			asked := 0
			client := s.attached(t).SetRetryCount(retries).AddRetryCondition(func(r *resty.Response, _ error) bool {
				asked++
				return r.StatusCode() == 0
			})
			_, err := client.R().Get("/Patient")
			var e *smartauth.Error
			if !errors.As(err, &e) {
				t.Errorf("RetryCount %d: error %v, want a *smartauth.Error", retries, err)
			}
			if want := min(retries, 1) * (1 + retries); asked != want {
				t.Errorf("RetryCount %d: the condition was asked %d times, want %d", retries, asked, want)
			}
		}
	})
}

// A contextHook is a hook that sets the context of a request.
type contextHook struct {
	name string
	set  func(*resty.Request)
}

var contextHooks = []contextHook{
	{"no hook", nil},
	{"derived context", func(r *resty.Request) { r.SetContext(context.WithValue(r.Context(), key("hook"), "value")) }},
	{"context of its own", func(r *resty.Request) { r.SetContext(context.WithValue(context.Background(), key("hook"), "value")) }},
}

// Whatever contexts hooks set, a request is authenticated, and a 401 healed, as long as there is a hook of ours after theirs.
func TestHooksThatSetContexts(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		const none, before, after = "no", "before Attach", "after Attach"
		for _, hook := range contextHooks {
			for _, hooked := range []string{before, after} {
				for _, preRequest := range []string{none, before, after} {
					for _, retries := range []int{0, 3} {
						name := fmt.Sprintf("%s %s, %s pre-request hook, RetryCount %d", hook.name, hooked, preRequest, retries)
						client := retrying(s.bare()).SetRetryCount(retries).SetRetryWaitTime(time.Second).SetRetryMaxWaitTime(time.Second)
						set, ran := 0, 0
						register := func(when string) {
							if hooked == when && hook.set != nil {
								client.OnBeforeRequest(func(_ *resty.Client, r *resty.Request) error {
									set++
									hook.set(r)
									return nil
								})
							}
							if preRequest == when {
								client.SetPreRequestHook(func(_ *resty.Client, r *http.Request) error {
									if hook.set != nil && r.Context().Value(key("hook")) != "value" {
										t.Errorf("%s: the pre-request hook got another context", name)
									}
									ran++
									return nil
								})
							}
						}
						register(before)
						attach(t, client, s.source(t))
						register(after)

						cannotBe := hook.name == "context of its own" && hooked == after && preRequest != none
						s.goesThrough(t, name, client, !cannotBe)
						if hook.set != nil && set == 0 || preRequest != none && ran == 0 {
							t.Errorf("%s: hooks were not called", name)
						}
					}
				}
			}
		}
	})
}

// goesThrough fails the test unless the requests of client are authenticated and a 401 is healed; or, if they cannot be, unless
// they go as they would without Attach.
func (s *sandbox) goesThrough(t *testing.T, name string, client *resty.Client, authenticated bool) {
	t.Helper()
	before := s.Counts()
	faults := [][]int{nil, {401}}
	if client.RetryCount > 0 {
		faults = append(faults, []int{503, 401})
	}
	for _, statuses := range faults {
		s.failWith(statuses...)
		resp, err := client.R().Get("/Patient?_count=1")
		s.Clear()
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case authenticated && resp.StatusCode() != http.StatusOK:
			t.Errorf("%s: status %d after %v", name, resp.StatusCode(), statuses)
		case !authenticated && (resp.StatusCode() != http.StatusUnauthorized || s.lastBearer() != ""):
			t.Errorf("%s: status %d, bearer %t, want a 401 to a request without one", name, resp.StatusCode(), s.lastBearer() != "")
		}
	}
	if len(s.log.skipped) > 0 {
		t.Errorf("%s: reported as skipped, %v", name, s.log.skipped)
	}
	tokens := s.Counts().TokenRequests - before.TokenRequests
	if authenticated && tokens != len(faults) || !authenticated && tokens != 0 {
		t.Errorf("%s: %d token requests", name, tokens)
	}
}

// With a context that is not derived, nothing is left to tell a repeat from another call.
func TestContextOfItsOwnMakesEachRepeatACall(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		for _, before := range []bool{true, false} {
			client := retrying(s.bare())
			hook := func(_ *resty.Client, r *resty.Request) error {
				r.SetContext(context.Background())
				return nil
			}
			if before {
				client.OnBeforeRequest(hook)
			}
			attach(t, client, s.src)
			if !before {
				client.OnBeforeRequest(hook)
			}
			n := s.Counts().FHIR
			s.failWith(401, 503, 401)
			search(t, client.R(), http.StatusOK)
			if n = s.Counts().FHIR - n; n != 4 {
				t.Errorf("hook added before Attach %t: %d requests, want two attempts, both healed", before, n)
			}
		}
	})
}
