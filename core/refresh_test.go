package smartauth_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

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

func TestRefreshIsTriedEvery30Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &recorder{}
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		srv.SetTokenLifetime(time.Hour)
		poll(t, src, time.Second)
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
		poll(t, src, 59*time.Minute) // the refresh is due after 51 minutes at the latest
		var last time.Time
		tries := 0
		for _, s := range o.started() {
			if s.Phase == smartauth.PhaseAcquire && s.Background {
				if pause := s.at.Sub(last); tries > 5 && (pause < 30*time.Second || pause > 32*time.Second) {
					t.Errorf("refresh %d began %v after the one before, want 30 s once the pauses have grown to that", tries, pause)
				}
				last = s.at
				tries++
			}
		}
		if tries < 15 {
			t.Errorf("%d refreshes", tries)
		}
	})
}

// A refresh that succeeds ends the pauses, though nobody waited for it: those after the next failure begin anew.
func TestRefreshEndsThePauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &recorder{}
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		srv.SetTokenLifetime(time.Hour)
		poll(t, src, time.Second)
		for range 2 {
			before := len(o.started())
			srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
			poll(t, src, 55*time.Minute) // the refresh is due after 51 minutes at the latest
			srv.Clear()
			poll(t, src, time.Minute)
			var begins []time.Time
			for _, s := range o.started()[before:] {
				if s.Phase == smartauth.PhaseAcquire && s.Background {
					begins = append(begins, s.at)
				}
			}
			if len(begins) < 5 {
				t.Fatalf("%d refreshes", len(begins))
			}
			if pause := begins[1].Sub(begins[0]); pause > 3*time.Second {
				t.Errorf("the second refresh began %v after the first, want the shortest pause", pause)
			}
		}
	})
}

func TestBackgroundRefreshHeedsRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		poll(t, src, 220*time.Second)
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503, Header: http.Header{"Retry-After": {"30"}}})
		poll(t, src, 60*time.Second) // the refresh is due between 225 and 255 s
		if n := srv.Counts().TokenRequests; n != 2 && n != 3 {
			t.Errorf("%d token requests, want the first and one or two 30 s apart", n)
		}
	})
}

// A failed refresh that nobody waited for must not keep anybody from trying when the token has ended.
func TestFailedRefreshCausesNoCoolDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		first, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(299500 * time.Millisecond)
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Status: 401}) // for a second, if anybody had waited
		if got, err := src.Token(t.Context()); err != nil || got != first {
			t.Fatalf("got %v, %v", got, err)
		}
		time.Sleep(500 * time.Millisecond)
		if got, err := src.Token(t.Context()); err != nil || got == first {
			t.Errorf("got %v, %v right after the token's end", got, err)
		}
	})
}

func TestExpiryCountsFromTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: 5 * time.Second})
		begin := time.Now()
		token, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if life := token.Expiry().Sub(begin); life != 300*time.Second {
			t.Errorf("lives %v from the request, want 300 s", life)
		}
	})
}

// A context that has ended is no reason to withhold what needs no waiting.
func TestEndedContextGetsTheTokenAtHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, src := sandbox(t, nil)
		token, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for _, after := range []time.Duration{0, 290 * time.Second} { // fresh, and near its end
			time.Sleep(after)
			if got, err := src.Token(ended); got != token || err != nil {
				t.Errorf("after %v: %v, %v, want the token", after, got, err)
			}
		}
		synctest.Wait()
		time.Sleep(301 * time.Second)
		if got, err := src.Token(ended); got != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("expired: %v, %v, want the context's error", got, err)
		}
	})
}
