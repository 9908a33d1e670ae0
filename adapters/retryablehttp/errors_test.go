package smartretryable_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

var errOfCheck = errors.New("by a policy")

var policies = map[string]retryablehttp.CheckRetry{
	"none":    nil,
	"default": retryablehttp.DefaultRetryPolicy,
	"propagating": func(ctx context.Context, resp *http.Response, err error) (bool, error) {
		return retryablehttp.ErrorPropagatedRetryPolicy(ctx, resp, err)
	},
	"always": func(context.Context, *http.Response, error) (bool, error) { return true, nil },
	"always, with an error": func(context.Context, *http.Response, error) (bool, error) {
		return true, errOfCheck
	},
}

// What authentication cannot mend is final, whatever the user's policy says; the rest is left to that.
func TestFailedAcquisition(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		for _, c := range []struct {
			kind  smartauth.Kind
			fault smarttest.Fault
			tries int
		}{
			{smartauth.Permanent, smarttest.Fault{Status: http.StatusBadRequest, Body: `{"error":"invalid_scope"}`}, 1},
			{smartauth.Refused, smarttest.Fault{Status: http.StatusUnauthorized, Body: "Access Denied"}, 3},
			{smartauth.Temporary, smarttest.Fault{Status: http.StatusServiceUnavailable}, 3},
		} {
			for name, policy := range policies {
				for _, handled := range []bool{false, true} {
					var tries, triesOfHandler int
					client := s.bare()
					client.RetryMax, client.CheckRetry = 2, policy
					client.RequestLogHook = func(retryablehttp.Logger, *http.Request, int) { tries++ }
					if handled {
						client.ErrorHandler = func(resp *http.Response, err error, n int) (*http.Response, error) {
							triesOfHandler = n
							return resp, err
						}
					}
					attachTo(t, client, s.source(t))
					s.Fail(smarttest.TokenEndpoint, c.fault)
					before, begin := s.Counts(), time.Now()
					_, err := statusOf(client.Do(s.patients(t, t.Context())))
					after := s.Counts()
					s.Clear()

					var e *smartauth.Error
					if name == "always, with an error" {
						if !errors.Is(err, errOfCheck) {
							t.Errorf("%v, policy %s: error %v, want the policy's", c.kind, name, err)
						}
					} else if !errors.As(err, &e) || e.Kind != c.kind {
						t.Errorf("%v, policy %s: error %v, want a *smartauth.Error of that kind", c.kind, name, err)
					}
					if tries != c.tries || handled && triesOfHandler != c.tries {
						t.Errorf("%v, policy %s: %d tries, and %d to the ErrorHandler, want %d", c.kind, name, tries, triesOfHandler, c.tries)
					}
					if took := time.Since(begin).Truncate(time.Hour); took != time.Duration(c.tries-1)*time.Hour {
						t.Errorf("%v, policy %s: took %v", c.kind, name, took)
					}
					if n := after.TokenRequests - before.TokenRequests; after.FHIR != before.FHIR || n > 3*c.tries {
						t.Errorf("%v, policy %s: %d requests and %d token requests", c.kind, name, after.FHIR-before.FHIR, n)
					}
				}
			}
		}
	})
}

// A policy that forbids the retry of a temporary failure is obeyed, too.
func TestPolicyThatNeverRetries(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		asked := 0
		client := s.bare()
		client.CheckRetry = func(context.Context, *http.Response, error) (bool, error) {
			asked++
			return false, nil
		}
		attachTo(t, client, s.src)
		s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: http.StatusServiceUnavailable})
		var e *smartauth.Error
		if _, err := statusOf(client.Do(s.patients(t, t.Context()))); !errors.As(err, &e) || asked != 1 {
			t.Errorf("error %v after asking %d times", err, asked)
		}
	})
}
