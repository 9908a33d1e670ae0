package smartauth_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// Phases come in order, inside one another, and end exactly once; a waiter's is marked shared and points to the flight.
func TestObserverSeesEveryPhase(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &recorder{}
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Status: 503})
		herd(3, func() (*smartauth.Token, error) { return src.Token(t.Context()) })
		synctest.Wait()

		var own, shared []string
		for _, s := range o.started() {
			switch {
			case s.Shared:
				shared = append(shared, string(s.Phase))
				if s.id == 0 {
					t.Error("a waiter's phase came before the flight's")
				}
				if s.Cause.Value(phaseID{}) != 0 {
					t.Errorf("a waiter's cause is %v, want the flight's context", s.Cause)
				}
			default:
				own = append(own, fmt.Sprintf("%s#%d", s.Phase, s.Attempt))
				if s.Phase != smartauth.PhaseAcquire && s.ctx.Value(phaseID{}) != 0 {
					t.Errorf("phase %s is not inside the acquisition", s.Phase)
				}
			}
		}
		if got, want := strings.Join(own, " "), "acquire#0 discover#0 sign#0 exchange#0 sign#1 exchange#1"; got != want {
			t.Errorf("phases %s, want %s", got, want)
		}
		if len(shared) != 2 {
			t.Errorf("%d shared phases, want one for each of two waiters", len(shared))
		}
		ended := map[int]int{}
		for _, e := range o.ends {
			ended[e.id]++
		}
		if e := o.ends[len(o.ends)-1]; e.Token == nil {
			t.Errorf("the last end %+v has no token", e.PhaseEnd)
		}
		for id := range o.started() {
			if ended[id] != 1 {
				t.Errorf("phase %d ended %d times", id, ended[id])
			}
		}
	})
}

// Observers may keep the error and read it later, so nobody changes it after the phase.
func TestObserversErrorIsNotTheCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &recorder{}
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 401})
		_, err := src.Token(t.Context())
		var callers, observed *smartauth.Error
		if !errors.As(err, &callers) || callers.RetryAt.IsZero() {
			t.Fatalf("error %v, want one with the time of the next try", err)
		}
		for _, e := range o.ends {
			if errors.As(e.Err, &observed) && (observed == callers || !observed.RetryAt.IsZero()) {
				t.Errorf("phase %s: its error was changed after it", e.Phase)
			}
		}
	})
}

func TestReasons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &recorder{}
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		token := func(after time.Duration) *smartauth.Token {
			time.Sleep(after)
			token, err := src.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return token
		}
		token(0)
		token(290 * time.Second)
		src.Invalidate(token(301 * time.Second))
		current := token(0)
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
		src.Invalidate(current)
		token(0) // still the old one
		srv.Clear()
		token(time.Minute) // and this call renews it
		var got []string
		for _, s := range o.started() {
			if s.Phase == smartauth.PhaseAcquire {
				got = append(got, fmt.Sprintf("%s, background %v", s.Reason, s.Background))
			} else if s.Reason != "" || s.Background {
				t.Errorf("phase %s has the reason of an acquisition: %+v", s.Phase, s.PhaseStart)
			}
		}
		want := []string{"initial, background false", "expiring, background true", "expired, background false",
			"rejected, background false", "rejected, background false", "rejected, background true"}
		if !slices.Equal(got, want) {
			t.Errorf("acquired for %q, want %q", got, want)
		}
	})
}

// listener writes down every event.
type listener struct {
	name string
	log  *[]string
}

func (l listener) note(format string, args ...any) {
	*l.log = append(*l.log, l.name+": "+fmt.Sprintf(format, args...))
}

func (l listener) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	l.note("start %s", s.Phase)
	return ctx
}
func (l listener) PhaseEnd(_ context.Context, e smartauth.PhaseEnd) { l.note("end %s", e.Phase) }
func (l listener) Rejected(_ context.Context, r smartauth.Rejection) {
	l.note("rejected %s, waited %v", r.Outcome, r.Waited)
}
func (l listener) BearerSkipped(_ context.Context, s smartauth.BearerSkipped) {
	l.note("skipped %s", s.Reason)
}
func (l listener) StateChanged(_ context.Context, c smartauth.StateChange) {
	l.note("state %s %v", c.State, c.Offset)
}

func TestMultiObserverPassesEverythingOn(t *testing.T) {
	var log []string
	type phasesOnly struct{ smartauth.Observer }
	m := smartauth.MultiObserver(listener{"a", &log}, nil, phasesOnly{listener{"b", &log}}, listener{"c", &log})
	ctx := m.PhaseStart(t.Context(), smartauth.PhaseStart{Phase: smartauth.PhaseSign})
	m.PhaseEnd(ctx, smartauth.PhaseEnd{Phase: smartauth.PhaseSign})
	m.(smartauth.RejectionObserver).Rejected(ctx, smartauth.Rejection{Outcome: smartauth.OutcomeRecovered, Waited: time.Second})
	m.(smartauth.SkipObserver).BearerSkipped(ctx, smartauth.BearerSkipped{Reason: smartauth.SkipOptOut})
	m.(smartauth.StateObserver).StateChanged(ctx, smartauth.StateChange{State: smartauth.StateClockOff, Offset: time.Hour})
	want := []string{"a: start sign", "b: start sign", "c: start sign", "c: end sign", "b: end sign", "a: end sign",
		"c: rejected recovered, waited 1s", "a: rejected recovered, waited 1s", "c: skipped opt_out", "a: skipped opt_out",
		"c: state clock_off 1h0m0s", "a: state clock_off 1h0m0s"}
	if !slices.Equal(log, want) {
		t.Errorf("called\n%s\nwant\n%s", strings.Join(log, "\n"), strings.Join(want, "\n"))
	}
	if smartauth.MultiObserver(nil, nil) != nil {
		t.Error("an observer of nothing")
	}
}
