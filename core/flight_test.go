package smartauth_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestColdHerdMakesOneTokenRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		tokens := herd(10_000, func() (*smartauth.Token, error) { return src.Token(t.Context()) })
		for _, r := range tokens {
			if r.err != nil || r.token != tokens[0].token {
				t.Fatalf("got %v, %v, want everybody to have the same token", r.token, r.err)
			}
		}
		if c := srv.Counts(); c.Discovery != 1 || c.TokenRequests != 1 {
			t.Errorf("%d discoveries and %d token requests, want one of each", c.Discovery, c.TokenRequests)
		}
	})
}

func TestHerdSharesOneFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
		results := herd(200, func() (*smartauth.Token, error) { return src.Token(t.Context()) })
		for _, r := range results {
			if r.err == nil || r.err != results[0].err {
				t.Fatalf("got %v, want everybody to have the same error", r.err)
			}
		}
		if n := srv.Counts().TokenRequests; n < 2 || n > 3 {
			t.Errorf("%d token requests, want a few tries and at most 3", n)
		}
	})
}

func TestWaiterLeavesAndFlightGoesOn(t *testing.T) {
	boom := errors.New("the user went home")
	for name, c := range map[string]struct {
		leave func(context.Context) (context.Context, func()) // after a second
		errs  []error
	}{
		"first caller cancelled": {func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(time.Second, func() { cancel(boom) })
			return ctx, func() { cancel(nil) }
		}, []error{boom, context.Canceled}},
		"first caller with a deadline": {func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			return ctx, cancel
		}, []error{context.DeadlineExceeded}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, nil)
				srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Delay: 5 * time.Second})
				leader, stop := c.leave(t.Context())
				defer stop()
				waiter, cancel := context.WithTimeout(t.Context(), 2*time.Second)
				defer cancel()
				var wg sync.WaitGroup
				expect := func(ctx context.Context, after time.Duration, want ...error) {
					wg.Go(func() {
						begin := time.Now()
						_, err := src.Token(ctx)
						if took := time.Since(begin); took != after || (err == nil) != (want == nil) {
							t.Errorf("left after %v with %v, want after %v", took, err, after)
						}
						for _, w := range want {
							if !errors.Is(err, w) {
								t.Errorf("error %v, want %v", err, w)
							}
						}
					})
					synctest.Wait()
				}
				expect(leader, time.Second, c.errs...)
				expect(waiter, 2*time.Second, context.DeadlineExceeded)
				expect(t.Context(), 5*time.Second)
				wg.Wait()
				if n := srv.Counts().TokenRequests; n != 1 {
					t.Errorf("%d token requests, want 1", n)
				}
			})
		})
	}
}

func TestEndedContextStartsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := src.Token(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v, want that of the context", err)
		}
		synctest.Wait()
		if n := srv.Counts().Discovery; n != 0 {
			t.Errorf("%d requests were made for nobody", n)
		}
	})
}

// A trace in the first caller's context must not report the authorization server as the FHIR server.
func TestFlightSeesNothingOfItsCaller(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		o := &recorder{}
		_, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		ctx := context.WithValue(t.Context(), key{}, "caller")
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GetConn: func(hostPort string) { t.Errorf("the caller's trace saw a connection to %s", hostPort) },
		})
		if _, err := src.Token(ctx); err != nil {
			t.Fatal(err)
		}
		for _, s := range o.started() {
			if s.ctx.Value(key{}) != nil {
				t.Errorf("phase %s carries the caller's values", s.Phase)
			}
			if (s.Phase == smartauth.PhaseAcquire) != (s.Cause != nil && s.Cause.Value(key{}) == "caller") {
				t.Errorf("phase %s has cause %v; the acquisition, and only that, has the caller's context", s.Phase, s.Cause)
			}
		}
	})
}

func TestRecoveryAfterAnOutage(t *testing.T) {
	for _, c := range []struct {
		name  string
		fault smarttest.Fault
		limit time.Duration
	}{
		{"connections closed", smarttest.Fault{CloseConnection: true}, 2 * time.Second},
		{"503", smarttest.Fault{Status: 503}, 2 * time.Second},
		{"refused", smarttest.Fault{Status: 401, Body: "Access Denied"}, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, nil)
				srv.Fail(smarttest.TokenEndpoint, c.fault)
				for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(50 * time.Millisecond) {
					if _, err := src.Token(t.Context()); err == nil {
						t.Fatal("got a token from a server that is down")
					}
				}
				if n := srv.Counts().TokenRequests; n > 120 {
					t.Errorf("%d token requests in a minute of outage", n)
				}
				srv.Clear()
				back := time.Now()
				for {
					if _, err := src.Token(t.Context()); err == nil {
						break
					}
					time.Sleep(50 * time.Millisecond)
				}
				if took := time.Since(back); took > c.limit {
					t.Errorf("calls succeeded %v after the server was back, want within %v", took, c.limit)
				}
			})
		})
	}
}

func TestIssuedDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		srv.SetClockOffset(smarttest.AuthServer, 3*time.Second)
		token, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := token.IssuedDate(); !got.Equal(time.Now().Add(3 * time.Second)) {
			t.Errorf("issued at %v", got)
		}
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Header: http.Header{"Age": {"7"}}})
		src.Invalidate(token)
		if token, err = src.Token(t.Context()); err != nil || !token.IssuedDate().IsZero() {
			t.Errorf("%v, %v: the Date of a cached response says nothing", token.IssuedDate(), err)
		}
	})
}

func TestFlightLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		srv.Fail(smarttest.Discovery, smarttest.Fault{Delay: 14 * time.Second})
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503, Delay: 14 * time.Second})
		begin := time.Now()
		if _, err := src.Token(t.Context()); err == nil {
			t.Fatal("no error")
		}
		if took := time.Since(begin); took > 30*time.Second {
			t.Errorf("took %v, want at most 30 s", took)
		}
	})
}
