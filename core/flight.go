package smartauth

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/smartauth-go/smartauth/internal/authctx"
	"github.com/smartauth-go/smartauth/internal/bounded"
)

// flightLimit is the longest that an acquisition takes, with all its attempts.
const flightLimit = 30 * time.Second

// flight is one acquisition under way, for everybody who needs a token meanwhile.
type flight struct {
	reason     Reason
	background bool
	cause      context.Context // of the call that set it off
	replaces   *entry
	began      time.Time
	awaited    bool        // guarded by Source.mu
	leftStale  atomic.Bool // whoever set it off has gone on with the old token

	started chan struct{}   // closed when the observer has seen it begin
	ctx     context.Context // what the observer's PhaseStart returned; readable after started

	watchdog *time.Timer
	done     chan struct{} // closed when token and err are final
	token    *Token
	err      *Error
}

// launch begins an acquisition. The caller holds s.mu, and there is no other flight.
func (s *Source) launch(cause context.Context, e *entry, background bool) *flight {
	f := &flight{reason: ReasonInitial, background: background, cause: cause, replaces: e, began: time.Now(),
		started: make(chan struct{}), done: make(chan struct{})}
	switch {
	case e == nil:
	case e.suspect:
		f.reason = ReasonRejected
	case e.alive():
		f.reason = ReasonExpiring
	default:
		f.reason = ReasonExpired
	}
	s.flight = f
	f.watchdog = time.AfterFunc(flightLimit+time.Second, func() { s.land(f, nil, errStuck) })
	go s.fly(f)
	return f
}

// errStuck ends a flight that outlasts its own limit. Only an Observer can do that: all other foreign code runs in bounded.
var errStuck = errors.New("the acquisition is stuck, probably in an Observer that does not return")

// fly runs the acquisition on a context of its own: nothing of the caller that happened to be first reaches it.
func (s *Source) fly(f *flight) {
	var token *Token
	err := errUnfinished
	defer func() {
		if p := recover(); p != nil {
			err = bounded.Panic("acquisition", p)
		}
		s.land(f, token, err)
	}()
	ctx := authctx.With(context.Background(), authctx.Values{Acquirer: s})
	ctx, cancel := context.WithTimeout(ctx, flightLimit)
	defer cancel()
	start := PhaseStart{Phase: PhaseAcquire, Reason: f.reason, Background: f.background, Cause: f.cause}
	err = s.notify.within(ctx, start, func(ctx context.Context, end *PhaseEnd) error {
		f.ctx = ctx
		close(f.started)
		var err error
		token, err = s.acquire(ctx)
		end.Token = token
		end.Stale = !f.background && (f.leftStale.Load() || err != nil && s.leadsBack(f, err))
		return err
	})
}

// leadsBack tells whether who set off f, which failed with err, goes on with the old token.
func (s *Source) leadsBack(f *flight, err error) bool {
	refused := f.replaces != nil && authctx.From(f.cause).Refused == f.replaces.token
	token, _ := s.settle(f.replaces, refused, asError(err, PhaseAcquire))
	return token != nil
}

// old tells whether token is the one that f is to replace.
func (f *flight) old(token *Token) bool {
	return token != nil && f.replaces != nil && token == f.replaces.token
}

// land makes the outcome known, once.
func (s *Source) land(f *flight, token *Token, err error) {
	ctx := context.Background()
	select {
	case <-f.started:
		ctx = context.WithoutCancel(f.ctx)
	default: // it ended before
	}
	s.mu.Lock()
	if s.flight != f {
		s.mu.Unlock()
		return
	}
	f.watchdog.Stop()
	s.flight = nil
	now, was := time.Now(), s.failing.err
	if err == nil {
		s.current.Store(newEntry(token, now))
		s.failing = cooldown{}
		f.token = token
		s.noteSuccess(ctx, was != nil, f.replaces, token)
	} else {
		own := *asError(err, PhaseAcquire) // the observer already holds the other, and may be reading it
		f.err = &own
		s.failing.add(f.err, now, f.awaited)
		if f.err.Kind != Permanent {
			s.keep(f.replaces)
		}
		s.noteFailure(ctx, f.err)
	}
	s.mu.Unlock()
	close(f.done)
	s.tell()
}

// wait returns what result returns. A caller who did not set off the flight waits in a phase of its own.
func (s *Source) wait(ctx context.Context, f *flight, leader bool, result func() (*Token, error)) (*Token, error) {
	if s.notify.observer == nil {
		return result()
	}
	if leader {
		token, err := result()
		if f.old(token) {
			f.leftStale.Store(true)
		}
		return token, err
	}
	select {
	case <-f.started:
	case <-f.done:
	case <-ctx.Done():
		return nil, waitError(ctx)
	}
	cause := context.Background()
	select {
	case <-f.started:
		cause = f.ctx
	default: // it ended without
	}
	start := PhaseStart{Phase: PhaseAcquire, Reason: f.reason, Background: f.background, Shared: true, Cause: cause}
	var token *Token
	err := s.notify.within(ctx, start, func(_ context.Context, end *PhaseEnd) (err error) {
		token, err = result()
		end.Token, end.Stale = token, f.old(token)
		return err
	})
	return token, err
}
