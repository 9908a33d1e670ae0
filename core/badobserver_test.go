package smartauth_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
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
	})
}
