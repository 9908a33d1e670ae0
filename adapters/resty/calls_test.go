package smartresty_test

import (
	"context"
	"errors"
	"net/http"
	"reflect"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

type key string

// derives is a hook that adds a value to the request's context.
func derives(_ *resty.Client, r *resty.Request) error {
	r.SetContext(context.WithValue(r.Context(), key("hook"), "value"))
	return nil
}

// retrying makes client repeat what failed, an hour later.
func retrying(client *resty.Client) *resty.Client {
	return client.SetRetryCount(3).SetRetryWaitTime(time.Hour).SetRetryMaxWaitTime(time.Hour).
		AddRetryCondition(func(r *resty.Response, err error) bool { return err != nil || r.StatusCode() >= 500 })
}

// However a client is set up, each call may be healed, and is healed once.
func TestCallsOfOneRequest(t *testing.T) {
	type setUp struct {
		name   string
		client func(*testing.T, *sandbox) *resty.Client
		enable func(*testing.T, *resty.Request)
	}
	for _, c := range []setUp{
		{"plain", func(t *testing.T, s *sandbox) *resty.Client { return s.attached(t) }, nil},
		{"with a context", func(t *testing.T, s *sandbox) *resty.Client { return s.attached(t) },
			func(t *testing.T, r *resty.Request) {
				r.SetContext(context.WithValue(t.Context(), key("caller"), "value"))
			}},
		{"traced", func(t *testing.T, s *sandbox) *resty.Client { return s.attached(t) }, func(_ *testing.T, r *resty.Request) { r.EnableTrace() }},
		{"derived before ours", func(t *testing.T, s *sandbox) *resty.Client {
			client := s.bare().OnBeforeRequest(derives)
			attach(t, client, s.src)
			return client
		}, nil},
		{"derived after ours", func(t *testing.T, s *sandbox) *resty.Client { return s.attached(t).OnBeforeRequest(derives) }, nil},
		{"a clone", func(t *testing.T, s *sandbox) *resty.Client { return s.attached(t).Clone() }, nil},
		{"a clone attached by itself", func(t *testing.T, s *sandbox) *resty.Client {
			clone := s.attached(t).Clone()
			attach(t, clone, s.source(t))
			return clone
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, s *sandbox) {
				r := retrying(c.client(t, s)).R()
				if c.enable != nil {
					c.enable(t, r)
				}
				for _, call := range []struct {
					name   string
					faults []int // what the FHIR server says before it gives in
					sent   int
					status int
				}{
					{"nothing wrong", nil, 1, 200},
					{"after a success", []int{401}, 2, 200},
					{"after a healed 401", []int{401}, 2, 200},
					{"a second 401", []int{401, 401}, 2, 401},
					{"after one that was not healed", []int{401}, 2, 200},
					{"401 of a repeat", []int{503, 401}, 3, 200},
					{"401 of two attempts", []int{401, 503, 401}, 3, 401},
					{"retries exhausted", []int{503, 503, 503, 401, 503}, 5, 503},
					{"after exhausted retries", []int{401}, 2, 200},
					{"exhausted, healed before", []int{401, 503, 503, 503, 503}, 5, 503},
					{"after that", []int{503, 503, 401}, 4, 200},
				} {
					time.Sleep(time.Minute) // so that honest revocations are never too many
					s.failWith(call.faults...)
					before := s.Counts().FHIR
					resp := search(t, r, call.status)
					if sent := s.Counts().FHIR - before; sent != call.sent {
						t.Errorf("%s: %d requests, want %d", call.name, sent, call.sent)
					}
					if resp.Request.Context().Err() != nil {
						t.Errorf("%s: the request's context has ended", call.name)
					}
					s.Clear()
				}
			})
		})
	}
}

// failWith makes the FHIR server answer with the statuses, in that order, before it does its work.
func (s *sandbox) failWith(statuses ...int) {
	faults := make([]smarttest.Fault, len(statuses))
	for i, status := range statuses {
		faults[i] = smarttest.Fault{Times: 1, Status: status, Body: http.StatusText(status)}
	}
	s.Fail(smarttest.FHIR, faults...)
}

// An attempt that a hook ends before anything is sent is one of the same call. resty has no response for it.
func TestCallWithAHookThatFails(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		attempt := 0
		client := retrying(s.attached(t)).OnBeforeRequest(func(*resty.Client, *resty.Request) error {
			if attempt++; attempt == 2 {
				return errors.New("not now")
			}
			return nil
		})
		s.failWith(401, 503, 401)
		search(t, client.R(), http.StatusUnauthorized)
		if n := s.Counts().FHIR; n != 3 {
			t.Errorf("%d requests, want three, of which the second healed the first", n)
		}
	})
}

// An error or a panic ends a call, too.
func TestCallThatFails(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		panics := false
		client := s.attached(t).OnAfterResponse(func(*resty.Client, *resty.Response) error {
			if panics {
				panic("in a hook")
			}
			return nil
		})
		r := client.R()
		s.Fail(smarttest.FHIR, smarttest.Fault{Times: 1, Status: 401}, smarttest.Fault{CloseConnection: true})
		if _, err := r.Get("/Patient"); err == nil {
			t.Error("there is no error of a connection that was closed")
		}
		s.failWith(401)
		search(t, r, http.StatusOK)

		panics = true
		s.failWith(401)
		func() {
			defer func() { _ = recover() }()
			search(t, r, http.StatusOK)
			t.Error("the hook did not panic")
		}()
		panics = false
		time.Sleep(time.Minute) // so that honest revocations are never too many
		s.failWith(401)
		search(t, r, http.StatusOK)
	})
}

// The context of a request may serve another one meanwhile.
func TestCallWithinACall(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		other, otherSource := s.bare(), s.source(t)
		attach(t, other, otherSource)
		client := retrying(s.attached(t)).AddRetryHook(func(resp *resty.Response, _ error) {
			s.failWith(401)
			search(t, other.R().SetContext(resp.Request.Context()), http.StatusOK)
			if s.lastBearer() != tokenOf(t, otherSource) {
				t.Error("the request within the call went with the token of the call")
			}
			s.failWith(401)
		})
		s.failWith(401, 503)
		search(t, client.R(), http.StatusUnauthorized)
		if s.lastBearer() != tokenOf(t, s.src) {
			t.Error("the call went on with the token of the request within")
		}
		s.Clear()
		search(t, client.R(), http.StatusOK)
	})
}

// Attach adds its layer to the context once, and not with each use. What resty and hooks add is theirs.
func TestContextsDoNotGrow(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		for _, c := range []struct {
			name  string
			uses  int
			setUp func(*resty.Client)
		}{
			{"plain", 1000, func(*resty.Client) {}},
			{"retries", 1000, func(c *resty.Client) { c.SetRetryCount(3) }},
			{"hook that derives", 1000, func(c *resty.Client) { c.OnBeforeRequest(derives) }},
			{"trace", 100, func(c *resty.Client) { c.EnableTrace() }}, // each of which calls all the ones before
		} {
			depth := func(attached bool) int {
				client := resty.NewWithClient(&http.Client{Transport: answer{}}).SetBaseURL(s.BaseURL())
				c.setUp(client)
				if attached {
					attach(t, client, s.src)
				}
				r := client.R()
				for range c.uses {
					search(t, r, http.StatusOK)
				}
				return depthOf(r.Context())
			}
			if bare, ours := depth(false), depth(true); ours > bare+1 {
				t.Errorf("%s: %d contexts in one another after %d uses, without Attach %d", c.name, ours, c.uses, bare)
			}
		}
	})
}

// depthOf returns how many contexts ctx is derived from.
func depthOf(ctx context.Context) (depth int) {
	for {
		v := reflect.Indirect(reflect.ValueOf(ctx))
		if v.Kind() != reflect.Struct {
			return depth
		}
		parent := v.FieldByName("Context")
		if !parent.IsValid() || parent.IsNil() {
			return depth
		}
		ctx = parent.Interface().(context.Context)
		depth++
	}
}
