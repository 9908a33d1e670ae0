package smarthttp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// A FHIR server whose clock lags refuses a fresh token until it has caught up (nbf without leeway, as at Koppeltaal).
func TestLaggingFHIRClock(t *testing.T) {
	for _, lag := range []time.Duration{300 * time.Millisecond, time.Second, 2 * time.Second} {
		for _, part := range []time.Duration{0, 400 * time.Millisecond, 999 * time.Millisecond} { // of a second, at the start
			t.Run(fmt.Sprint(lag, "+", part), func(t *testing.T) {
				inMemory(t, func(t *testing.T, s *sandbox) {
					time.Sleep(part)
					s.SetClockOffset(smarttest.FHIRServer, -lag)
					var wg sync.WaitGroup
					for range 2 {
						wg.Go(func() {
							for range 300 { // past a renewal
								begin := time.Now()
								if status, _ := s.search(t); status != http.StatusOK {
									t.Errorf("status %d", status)
								}
								if took := time.Since(begin); took > 3*time.Second {
									t.Errorf("a call took %v", took)
								}
								time.Sleep(time.Second)
							}
						})
					}
					wg.Wait()
					if n := s.Counts().TokenRequests; n != 2 {
						t.Errorf("%d token requests in 300 s, want 2: none because of the clock", n)
					}
				})
			})
		}
	}
}

// An honest revocation at a server whose clock lags: the new token is not valid there yet.
func TestRevocationAtALaggingClock(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.SetClockOffset(smarttest.FHIRServer, -2*time.Second)
		s.search(t)
		time.Sleep(time.Minute)
		s.RevokeAll()
		if status, _ := s.search(t); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
		if n := s.Counts().TokenRequests; n != 2 {
			t.Errorf("%d token requests, want 2", n)
		}
		last := s.events.rejections[len(s.events.rejections)-1]
		if last.Outcome != smartauth.OutcomeRecovered || last.Waited != 2*time.Second {
			t.Errorf("reported %+v, want recovered after a wait of 2 s", last)
		}
	})
}

// refusal answers with 401 and the given Date, times 0 meaning always.
func refusal(times int, date time.Time) smarttest.Fault {
	return smarttest.Fault{Times: times, Status: http.StatusUnauthorized, Body: "Unauthorized",
		Header: http.Header{"Date": {date.UTC().Format(http.TimeFormat)}}}
}

// Each token is waited for once, if its server is little behind, and no server can make a call wait for longer.
func TestLagRule(t *testing.T) {
	type faults = []smarttest.Fault
	with := func(f smarttest.Fault, name string, values ...string) smarttest.Fault {
		f.Header[name] = values
		return f
	}
	for name, c := range map[string]struct {
		faults           func(issued time.Time) faults // after which the sandbox answers by itself
		status           int
		requests, tokens int
		waited           time.Duration
		outcome          smartauth.Outcome
	}{
		"always 2 s behind the token": {
			func(issued time.Time) faults {
				return faults{refusal(2, issued.Add(-2*time.Second)), refusal(0, issued)} // the second token is issued 2 s later
			}, 401, 4, 2, 4 * time.Second, smartauth.OutcomeFailed},
		"a clock that stands still": {
			func(issued time.Time) faults { return faults{refusal(0, issued.Add(-2*time.Second))} },
			401, 3, 2, 2 * time.Second, smartauth.OutcomeFailed},
		"a second token after the wait": {
			func(issued time.Time) faults { return faults{refusal(2, issued.Add(-2*time.Second))} },
			200, 3, 2, 2 * time.Second, smartauth.OutcomeRecovered},
		"1 s": {
			func(issued time.Time) faults { return faults{refusal(1, issued.Add(-time.Second))} },
			200, 2, 1, time.Second, smartauth.OutcomeRecovered},
		"3 s": {
			func(issued time.Time) faults { return faults{refusal(1, issued.Add(-3*time.Second))} },
			200, 2, 1, 3 * time.Second, smartauth.OutcomeRecovered},
		"4 s": {
			func(issued time.Time) faults { return faults{refusal(1, issued.Add(-4*time.Second))} },
			200, 2, 2, 0, smartauth.OutcomeRecovered},
		"10 s": {
			func(issued time.Time) faults { return faults{refusal(1, issued.Add(-10*time.Second))} },
			200, 2, 2, 0, smartauth.OutcomeRecovered},
		"always 10 s": {
			func(issued time.Time) faults { return faults{refusal(0, issued.Add(-10*time.Second))} },
			401, 2, 2, 0, smartauth.OutcomeFailed},
		"none": {
			func(issued time.Time) faults { return faults{refusal(1, issued)} },
			200, 2, 2, 0, smartauth.OutcomeRecovered},
		"ahead": {
			func(issued time.Time) faults { return faults{refusal(1, issued.Add(2*time.Second))} },
			200, 2, 2, 0, smartauth.OutcomeRecovered},
		"from a cache": {
			func(issued time.Time) faults { return faults{with(refusal(1, issued.Add(-2*time.Second)), "Age", "2")} },
			200, 2, 2, 0, smartauth.OutcomeRecovered},
		"always from a cache": {
			func(issued time.Time) faults { return faults{with(refusal(0, issued.Add(-2*time.Second)), "Age", "2")} },
			401, 2, 2, 0, smartauth.OutcomeFailed},
		"no Date": {
			func(issued time.Time) faults { return faults{with(refusal(1, issued), "Date")} },
			200, 2, 2, 0, smartauth.OutcomeRecovered},
		"no date in Date": {
			func(issued time.Time) faults { return faults{with(refusal(1, issued), "Date", "yesterday")} },
			200, 2, 2, 0, smartauth.OutcomeRecovered},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, s *sandbox) {
				token, err := s.src.Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				s.Fail(smarttest.FHIR, c.faults(token.IssuedDate())...)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a call that waits for ever is to fail, not to hang
				defer cancel()
				begin := time.Now()
				status, body := s.get(t, ctx, s.BaseURL()+"/Patient?_count=1")
				if status != c.status || status == 401 && body != "Unauthorized" {
					t.Errorf("%d %q, want %d", status, body, c.status)
				}
				if took := time.Since(begin); took != c.waited {
					t.Errorf("took %v, want %v", took, c.waited)
				}
				if n := s.Counts(); n.FHIR != c.requests || n.TokenRequests != c.tokens {
					t.Errorf("%d requests and %d tokens, want %d and %d", n.FHIR, n.TokenRequests, c.requests, c.tokens)
				}
				if want := (smartauth.Rejection{Source: s.src, Outcome: c.outcome, Waited: c.waited}); len(s.events.rejections) != 1 || s.events.rejections[0] != want {
					t.Errorf("reported %+v, want %+v once", s.events.rejections, want)
				}
			})
		})
	}
}

// Without a Date of the token response there is nothing to compare with.
func TestNoLagWithoutIssuedDate(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Header: http.Header{"Date": nil}})
		s.Fail(smarttest.FHIR, refusal(1, time.Now().Add(-2*time.Second)))
		begin := time.Now()
		if status, _ := s.search(t); status != http.StatusOK || time.Since(begin) != 0 {
			t.Errorf("status %d after %v, want 200 at once", status, time.Since(begin))
		}
		if n := s.Counts().TokenRequests; n != 2 {
			t.Errorf("%d token requests, want 2", n)
		}
	})
}

func TestCallerLeavesDuringTheWait(t *testing.T) {
	because := errors.New("the user closed the page")
	for name, c := range map[string]struct {
		leave func(context.Context) (context.Context, func()) // after half a second
		want  error
	}{
		"cancelled": {func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(500*time.Millisecond, cancel)
			return ctx, cancel
		}, context.Canceled},
		"cancelled with a cause": {func(ctx context.Context) (context.Context, func()) {
			ctx, cancel := context.WithCancelCause(ctx)
			time.AfterFunc(500*time.Millisecond, func() { cancel(because) })
			return ctx, func() { cancel(nil) }
		}, because},
	} {
		t.Run(name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, s *sandbox) {
				token, err := s.src.Token(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				s.Fail(smarttest.FHIR, refusal(0, token.IssuedDate().Add(-2*time.Second)))
				ctx, cancel := c.leave(t.Context())
				defer cancel()
				r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.BaseURL()+"/Patient", nil)
				if err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				resp, err := s.client.Do(r)
				if err == nil {
					_ = resp.Body.Close()
				}
				if took := time.Since(begin); !errors.Is(err, c.want) || took != 500*time.Millisecond {
					t.Errorf("left after %v with %v, want %v after half a second", took, err, c.want)
				}
				if n := s.Counts(); n.FHIR != 1 || n.TokenRequests != 1 {
					t.Errorf("%d requests and %d tokens, want one of each", n.FHIR, n.TokenRequests)
				}
				if got := s.events.rejections; len(got) != 1 || got[0].Outcome != smartauth.OutcomeFailed {
					t.Errorf("reported %+v, want one failure", got)
				}
				if again, err := s.src.Token(t.Context()); err != nil || again != token {
					t.Errorf("the next caller's token: %v, %v, want the same", again, err)
				}
			})
		})
	}
}

// The 401 is better than an error that says nothing.
func TestNoWaitBeyondTheDeadline(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		token, err := s.src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.Fail(smarttest.FHIR, refusal(0, token.IssuedDate().Add(-2*time.Second)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if status, body := s.get(t, ctx, s.BaseURL()+"/Patient"); status != http.StatusUnauthorized || body != "Unauthorized" || time.Since(begin) != 0 {
			t.Errorf("%d %q after %v, want the server's 401 at once", status, body, time.Since(begin))
		}
		if again, err := s.src.Token(t.Context()); err != nil || again != token {
			t.Errorf("the next caller's token: %v, %v, want the same", again, err)
		}
	})
}
