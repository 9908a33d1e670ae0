package smartauth_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
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

func (o badObserver) StateChanged(context.Context, smartauth.StateChange)    { panic("state") }
func (o badObserver) Rejected(context.Context, smartauth.Rejection)          { panic("rejected") }
func (o badObserver) BearerSkipped(context.Context, smartauth.BearerSkipped) { panic("skipped") }

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
					src.Rejected(t.Context(), smartauth.Rejection{})
					src.BearerSkipped(t.Context(), smartauth.BearerSkipped{})
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

// endsGoroutine is a recorder that ends the goroutine in place of recording the beginning of a phase.
type endsGoroutine struct {
	recorder
	at smartauth.Phase
}

func (o *endsGoroutine) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	if s.Phase == o.at {
		runtime.Goexit()
	}
	return o.recorder.PhaseStart(ctx, s)
}

// A span that was begun must be ended, whatever becomes of the work.
func TestEveryPhaseEnds(t *testing.T) {
	transport := func(do func()) func(*smartauth.Config, *endsGoroutine) {
		return func(c *smartauth.Config, _ *endsGoroutine) {
			c.HTTPClient = &http.Client{Transport: answer(func(*http.Request) *http.Response { do(); return nil })}
		}
	}
	signer := func(do func()) func(*smartauth.Config, *endsGoroutine) {
		return func(c *smartauth.Config, _ *endsGoroutine) { c.Signer = badSigner{c.Signer, do} }
	}
	observer := func(at smartauth.Phase) func(*smartauth.Config, *endsGoroutine) {
		return func(_ *smartauth.Config, o *endsGoroutine) { o.at = at }
	}
	for name, c := range map[string]struct {
		change func(*smartauth.Config, *endsGoroutine)
		last   smartauth.Phase // that begins
	}{
		"transport that panics":                        {transport(func() { panic("transport") }), smartauth.PhaseDiscover},
		"transport that ends the goroutine":            {transport(runtime.Goexit), smartauth.PhaseDiscover},
		"signer that panics":                           {signer(func() { panic("signer") }), smartauth.PhaseSign},
		"signer that ends the goroutine":               {signer(runtime.Goexit), smartauth.PhaseSign},
		"observer that ends the discovery's goroutine": {observer(smartauth.PhaseDiscover), smartauth.PhaseAcquire},
		"observer that ends the flight's goroutine":    {observer(smartauth.PhaseExchange), smartauth.PhaseSign},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &endsGoroutine{}
				_, src := sandbox(t, func(cfg *smartauth.Config) {
					cfg.Observer = o
					c.change(cfg, o)
				})
				if _, err := src.Token(t.Context()); err == nil {
					t.Error("no error")
				}
				synctest.Wait()
				begun, ended := o.started(), map[int]int{}
				if last := begun[len(begun)-1].Phase; last != c.last {
					t.Errorf("the last phase that began is %s, want %s", last, c.last)
				}
				for _, e := range o.ends {
					if ended[e.id]++; e.Err == nil && e.Phase != smartauth.PhaseDiscover && e.Phase != smartauth.PhaseSign {
						t.Errorf("phase %s ended without an error", e.Phase)
					}
				}
				for _, s := range begun {
					if ended[s.id] != 1 {
						t.Errorf("phase %s ended %d times, want once", s.Phase, ended[s.id])
					}
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
