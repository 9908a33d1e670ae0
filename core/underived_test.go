package smartauth_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// underived is an Observer that returns a context which has nothing to do with the one it is given.
type underived func(smartauth.PhaseStart) context.Context

func (o underived) PhaseStart(_ context.Context, s smartauth.PhaseStart) context.Context { return o(s) }
func (o underived) PhaseEnd(context.Context, smartauth.PhaseEnd)                         {}

func background(smartauth.PhaseStart) context.Context { return context.Background() }

// forEachObserver runs test with a normal Observer and with those that could lift limits.
func forEachObserver(t *testing.T, test func(*testing.T, smartauth.Observer)) {
	for name, o := range map[string]smartauth.Observer{
		"derived":    &recorder{},
		"background": underived(background),
		"in a list":  smartauth.MultiObserver(&recorder{}, underived(background)),
		"ended": underived(func(smartauth.PhaseStart) context.Context {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return ctx
		}),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, o) })
		})
	}
}

// One connection that hangs costs one call its 15 s, whatever context an Observer returns.
func TestHungDiscoveryIsGivenUp(t *testing.T) {
	forEachObserver(t, func(t *testing.T, o smartauth.Observer) {
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		srv.Fail(smarttest.Discovery, smarttest.Fault{Hang: true, Times: 1})
		begin := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if token, err := src.Token(ctx); err == nil || time.Since(begin) != 15*time.Second {
			t.Errorf("%v, %v after %v, want an error after 15 s", token, err, time.Since(begin))
		}
		time.Sleep(time.Second)
		if _, err := src.Token(ctx); err != nil {
			t.Error(err)
		}
	})
}

func TestObserverLiftsNoFlightLimit(t *testing.T) {
	forEachObserver(t, func(t *testing.T, o smartauth.Observer) {
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503, Delay: 14 * time.Second})
		begin := time.Now()
		_, err := src.Token(t.Context())
		var e *smartauth.Error
		if !errors.As(err, &e) || e.Phase != smartauth.PhaseExchange || time.Since(begin) > 30*time.Second {
			t.Errorf("%v after %v, want the failure of the exchange within 30 s", err, time.Since(begin))
		}
	})
}

func TestObserverHidesNoReentrance(t *testing.T) {
	forEachObserver(t, func(t *testing.T, o smartauth.Observer) {
		var src *smartauth.Source
		var inner error
		signer := &asking{ask: func(ctx context.Context) { _, inner = src.Token(ctx) }}
		_, src = sandbox(t, func(c *smartauth.Config) {
			signer.Signer, c.Signer, c.Observer = c.Signer, signer, o
		})
		if _, err := src.Token(t.Context()); err != nil {
			t.Error(err)
		}
		var e *smartauth.Error
		if !errors.As(inner, &e) || e.Kind != smartauth.Permanent {
			t.Errorf("error %v, want one that says where Token was called", inner)
		}
	})
}

// asking is a Signer that calls ask with the context of its Sign.
type asking struct {
	smartauth.Signer
	ask func(context.Context)
}

func (s *asking) Sign(ctx context.Context, alg string, input []byte) ([]byte, error) {
	s.ask(ctx)
	return s.Signer.Sign(ctx, alg, input)
}

// Who waits for the discovery of another leaves when its own context ends.
func TestObserverHoldsNoWaiter(t *testing.T) {
	forEachObserver(t, func(t *testing.T, o smartauth.Observer) {
		srv, src := sandbox(t, func(c *smartauth.Config) { c.Observer = o })
		srv.Fail(smarttest.Discovery, smarttest.Fault{Hang: true, Times: 1})
		go func() { _, _ = src.Metadata(context.Background()) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		if _, err := src.Metadata(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != time.Second {
			t.Errorf("%v after %v, want the end of its context after 1 s", err, time.Since(begin))
		}
	})
}
