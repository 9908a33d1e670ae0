package smartauth_test

import (
	"context"
	"errors"
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
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Delay: 5 * time.Second})
		boom := errors.New("the user went home")

		leader, leave := context.WithCancelCause(t.Context())
		waiter, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		expect := func(ctx context.Context, after time.Duration, check func(error) bool) {
			wg.Go(func() {
				begin := time.Now()
				_, err := src.Token(ctx)
				if took := time.Since(begin); took != after || !check(err) {
					t.Errorf("left after %v with %v, want after %v", took, err, after)
				}
			})
			synctest.Wait()
		}
		expect(leader, time.Second, func(err error) bool { return errors.Is(err, boom) && errors.Is(err, context.Canceled) })
		expect(waiter, 2*time.Second, func(err error) bool { return errors.Is(err, context.DeadlineExceeded) })
		expect(t.Context(), 5*time.Second, func(err error) bool { return err == nil })
		time.Sleep(time.Second)
		leave(boom)
		wg.Wait()
		if n := srv.Counts().TokenRequests; n != 1 {
			t.Errorf("%d token requests, want 1", n)
		}
	})
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

func TestConstantCallersNeverWait(t *testing.T) {
	for _, life := range []time.Duration{300 * time.Second, 120 * time.Second, 30 * time.Second, 5 * time.Second} {
		t.Run(life.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, nil)
				srv.SetTokenLifetime(life)
				srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: 200 * time.Millisecond})
				if _, err := src.Token(t.Context()); err != nil {
					t.Fatal(err)
				}
				for begin := time.Now(); time.Since(begin) < 10*life; time.Sleep(50 * time.Millisecond) {
					call := time.Now()
					token, err := src.Token(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if held := time.Since(call); held > 0 {
						t.Fatalf("a call was held for %v", held)
					}
					if time.Until(token.Expiry()) <= 0 {
						t.Fatal("got an expired token")
					}
				}
				if n := srv.Counts().TokenRequests; n < 10 || n > 14 {
					t.Errorf("%d token requests for ten lives", n)
				}
			})
		})
	}
}

func TestEachTokenIsRenewedOnce(t *testing.T) {
	for _, life := range []time.Duration{time.Second, 2 * time.Second, 300 * time.Second, 0} { // 0: the server does not tell
		t.Run(life.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, src := sandbox(t, nil)
				srv.SetTokenLifetime(life)
				srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: 20 * time.Millisecond})
				if life == 0 {
					life = 300 * time.Second
					srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Body: `{"access_token":"t","token_type":"bearer"}`})
				}
				seen := map[*smartauth.Token]bool{}
				for range 1000 {
					for _, r := range herd(10, func() (*smartauth.Token, error) { return src.Token(t.Context()) }) {
						if r.err != nil {
							t.Fatal(r.err)
						}
						seen[r.token] = true
					}
					time.Sleep(life / 100)
				}
				synctest.Wait()
				if n := srv.Counts().TokenRequests; n > len(seen)+1 {
					t.Errorf("%d token requests for %d tokens", n, len(seen))
				}
				if n := srv.Counts().TokenRequests; n < 10 || n > 14 {
					t.Errorf("%d token requests in ten lives", n)
				}
			})
		})
	}
}

func TestFailingRefreshKeepsTheTokenToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &recorder{}
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		first, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
		for time.Until(first.Expiry()) > 0 {
			if got, err := src.Token(t.Context()); err != nil || got != first {
				t.Fatalf("got %v, %v with %v of the first token left", got, err, time.Until(first.Expiry()))
			}
			time.Sleep(100 * time.Millisecond)
		}
		synctest.Wait()

		var begins []time.Time
		for _, s := range o.started() {
			if s.Phase == smartauth.PhaseAcquire && s.Background {
				begins = append(begins, s.at)
			}
		}
		if len(begins) < 4 || len(begins) > 8 {
			t.Errorf("%d refreshes in the last quarter of the token's life, want a handful", len(begins))
		}
		var before time.Duration
		for i := 1; i < len(begins); i++ {
			pause := begins[i].Sub(begins[i-1])
			if pause < before || pause > 32*time.Second {
				t.Errorf("refresh %d began after %v, the one before after %v; want pauses that grow to 30 s", i, pause, before)
			}
			before = pause
		}

		// The background's pause is near 30 s by now; a caller without a token does not have to wait for it.
		srv.Clear()
		if got, err := src.Token(t.Context()); err != nil || got == first {
			t.Errorf("got %v, %v right after the token's end", got, err)
		}
		if states := o.states(); len(states) != 2 || states[0] != smartauth.StateFailing || states[1] != smartauth.StateRecovered {
			t.Errorf("states %v, want failing, recovered", states)
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

func TestInvalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		first, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		src.Invalidate(nil)
		src.Invalidate(smartauth.NewToken(first.AccessToken(), first.Expiry()))
		if got, _ := src.Token(t.Context()); got != first {
			t.Fatal("another token than the current one was invalidated, and the current one went")
		}
		src.Invalidate(first)
		second, err := src.Token(t.Context())
		if err != nil || second == first {
			t.Fatalf("got %v, %v, want another token", second, err)
		}
		for range 100 {
			src.Invalidate(first)
		}
		if got, _ := src.Token(t.Context()); got != second {
			t.Error("reports about the token before took away the current one")
		}

		for range 1000 { // a server that refuses everything
			token, err := src.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			src.Invalidate(token)
		}
		if n := srv.Counts().TokenRequests; n != 4 {
			t.Errorf("%d token requests, want the first and three renewals", n)
		}
		time.Sleep(11 * time.Second)
		current, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		src.Invalidate(current)
		if got, err := src.Token(t.Context()); err != nil || got == current {
			t.Errorf("got %v, %v; 10 s later one more renewal is due", got, err)
		}
	})
}

// The FHIR server refused a token, perhaps wrongly, and the authorization server is down: whoever was not refused goes on.
func TestSuspectTokenIsKeptWhileNoOtherIsToBeHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		first, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
		src.Invalidate(first)
		for range 100 {
			if got, err := src.Token(t.Context()); err != nil || got != first {
				t.Fatalf("got %v, %v, want the suspect token", got, err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		srv.Clear()
		time.Sleep(31 * time.Second)
		if _, err := src.Token(t.Context()); err != nil { // begins the refresh
			t.Fatal(err)
		}
		synctest.Wait()
		if got, err := src.Token(t.Context()); err != nil || got == first {
			t.Errorf("got %v, %v, want a new token now that the server is back", got, err)
		}
	})
}
