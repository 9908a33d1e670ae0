package smartauth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// badObserver panics, or ends the goroutine, at one of the calls.
type badObserver struct {
	at  string
	bad func()
}

func (o badObserver) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	if o.at == "start "+string(s.Phase) {
		o.bad()
	}
	return nil // that too
}

func (o badObserver) PhaseEnd(_ context.Context, e smartauth.PhaseEnd) {
	if o.at == "end "+string(e.Phase) {
		o.bad()
	}
}

func (o badObserver) StateChanged(context.Context, smartauth.StateChange) { panic("state") }

func TestPanickingObserverDoesNoHarm(t *testing.T) {
	defer slog.SetDefault(slog.Default())
	var log bytes.Buffer
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	for _, phase := range []string{"acquire", "discover", "sign", "exchange"} {
		for _, at := range []string{"start ", "end "} {
			t.Run(at+phase, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					_, src := sandbox(t, func(c *smartauth.Config) {
						c.Observer = smartauth.MultiObserver(badObserver{at + phase, func() { panic("observer") }}, nil, &recorder{})
					})
					for _, r := range herd(20, func() (*smartauth.Token, error) { return src.Token(t.Context()) }) {
						if r.err != nil {
							t.Fatal(r.err)
						}
					}
				})
			})
		}
	}
	if !strings.Contains(log.String(), "panic in the smartauth.Observer") {
		t.Errorf("the panic was hidden altogether: %q", log.String())
	}
}

func TestObserverThatEndsTheGoroutine(t *testing.T) {
	for _, at := range []string{"start acquire", "end acquire", "start exchange"} {
		t.Run(at, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, src := sandbox(t, func(c *smartauth.Config) { c.Observer = badObserver{at, runtime.Goexit} })
				done := make(chan error, 1)
				go func() {
					_, err := src.Token(t.Context())
					done <- err
				}()
				if err := <-done; err == nil && at != "end acquire" {
					t.Error("no error")
				}
			})
		})
	}
}

// reentrant asks for a token while one is being acquired for it.
type reentrant struct {
	src  *smartauth.Source
	errs chan error
}

func (o *reentrant) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	if s.Phase == smartauth.PhaseAcquire {
		_, err := o.src.Token(ctx)
		o.errs <- err
	}
	return ctx
}

func (o *reentrant) PhaseEnd(context.Context, smartauth.PhaseEnd) {}

// stuck does not return from the start of an acquisition before it is told to.
type stuck struct{ goOn chan struct{} }

func (o stuck) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	if s.Phase == smartauth.PhaseAcquire && !s.Shared {
		<-o.goOn
	}
	return ctx
}

func (o stuck) PhaseEnd(context.Context, smartauth.PhaseEnd) {}

func TestWaiterLeavesASlowObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := stuck{make(chan struct{})}
		_, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		for _, r := range herd(3, func() (*smartauth.Token, error) { return src.Token(ctx) }) {
			if !errors.Is(r.err, context.DeadlineExceeded) {
				t.Errorf("error %v", r.err)
			}
		}
		close(o.goOn)
		time.Sleep(time.Minute) // the flight ends in its own time
	})
}

func TestScopeMissingIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &recorder{}
		var clientID string
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o; clientID = c.ClientID })
		srv.SetRole(clientID)
		for range 2 { // once per change
			token, err := src.Token(t.Context())
			if err != nil || token.Scope() != "" {
				t.Fatalf("scope %q, %v", token.Scope(), err)
			}
			time.Sleep(301 * time.Second)
		}
		if states := o.states(); len(states) != 1 || states[0] != smartauth.StateScopeMissing {
			t.Errorf("states %v, want scope_missing once", states)
		}
	})
}

func TestReentrantMetadataIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &reentrantMetadata{errs: make(chan error, 1)}
		_, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		o.src = src
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-o.errs; err == nil || !strings.Contains(err.Error(), "within its own") {
			t.Errorf("error %v", err)
		}
	})
}

// reentrantMetadata asks for the metadata while it is being fetched.
type reentrantMetadata struct {
	src  *smartauth.Source
	errs chan error
}

func (o *reentrantMetadata) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	if s.Phase == smartauth.PhaseDiscover {
		_, err := o.src.Metadata(ctx)
		o.errs <- err
	}
	return ctx
}

func (o *reentrantMetadata) PhaseEnd(context.Context, smartauth.PhaseEnd) {}

func TestReentrantTokenIsAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &reentrant{errs: make(chan error, 1)}
		_, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		o.src = src
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-o.errs; err == nil || !strings.Contains(err.Error(), "within its own acquisition") {
			t.Errorf("error %v", err)
		}
	})
}

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

// slowToHear takes a second over bad news.
type slowToHear struct{ recorder }

func (o *slowToHear) StateChanged(ctx context.Context, c smartauth.StateChange) {
	if c.State == smartauth.StateFailing {
		time.Sleep(time.Second)
	}
	o.recorder.StateChanged(ctx, c)
}

func TestStatesAreToldInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &slowToHear{}
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 3, Status: 503})
		if _, err := src.Token(t.Context()); err == nil {
			t.Fatal("no error")
		}
		time.Sleep(300 * time.Millisecond)
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if want := []smartauth.State{smartauth.StateFailing, smartauth.StateRecovered}; !slices.Equal(o.states(), want) {
			t.Errorf("told %v, want %v", o.states(), want)
		}
	})
}
