package smartauth_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

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
