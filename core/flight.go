package smartauth

import (
	"context"
	"time"

	"github.com/smartauth-go/smartauth/internal/authctx"
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
	awaited    bool // guarded by Source.mu

	started chan struct{}   // closed when the observer has seen it begin
	ctx     context.Context // what the observer's PhaseStart returned; readable after started

	done  chan struct{} // closed when token and err are final
	token *Token
	err   error
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
	go s.fly(f)
	return f
}

// fly runs the acquisition on a context of its own: nothing of the caller that happened to be first reaches it.
func (s *Source) fly(f *flight) {
	var token *Token
	err := errUnfinished
	defer func() {
		if p := recover(); p != nil {
			err = panicError("acquisition", p)
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
		return err
	})
}

// land makes the outcome known.
func (s *Source) land(f *flight, token *Token, err error) {
	now := time.Now()
	s.mu.Lock()
	s.flight = nil
	was, is := s.failing.err, (*Error)(nil)
	if err == nil {
		s.current.Store(newEntry(token, now))
		s.failing = trouble{}
	} else {
		own := *asError(err, PhaseAcquire) // the observer already holds the other, and may be reading it
		is = &own
		s.failing.add(is, now, f.awaited)
		if is.Kind != Permanent {
			s.spare(f.replaces)
		}
		err = is
	}
	s.mu.Unlock()
	f.token, f.err = token, err
	close(f.done)

	ctx := context.Background()
	if f.ctx != nil {
		ctx = context.WithoutCancel(f.ctx)
	}
	switch {
	case is != nil && was == nil:
		s.notify.stateChanged(ctx, StateChange{State: StateFailing, Err: is})
	case is == nil && was != nil:
		s.notify.stateChanged(ctx, StateChange{State: StateRecovered})
	}
	if is == nil && token.scope == "" && (f.replaces == nil || f.replaces.token.scope != "") {
		s.notify.stateChanged(ctx, StateChange{State: StateScopeMissing})
	}
}

// wait returns what result does, within a phase of the waiter's own unless it set off the flight.
func (s *Source) wait(ctx context.Context, f *flight, leader bool, result func(context.Context) (*Token, error)) (*Token, error) {
	if leader || s.notify.observer == nil {
		return result(ctx)
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
		token, err = result(ctx)
		end.Token = token
		return err
	})
	return token, err
}

// result returns what the flight ends with, or the error of a ctx that ends before.
func (f *flight) result(ctx context.Context) (*Token, error) {
	select {
	case <-f.done:
		return f.token, f.err
	case <-ctx.Done():
	}
	select { // both at once: the work is done
	case <-f.done:
		return f.token, f.err
	default:
		return nil, waitError(ctx)
	}
}

// trouble is what the last acquisitions failed with. The zero value means the last one succeeded.
type trouble struct {
	err          *Error
	failures     int       // since the last success
	awaited      int       // those of them that somebody waited for
	retryAt      time.Time // no acquisition before
	refreshAfter time.Time // no background refresh before
}

// Pauses after a failure: they double from first to most.
var pauses = map[Kind]struct{ first, most time.Duration }{
	Temporary: {250 * time.Millisecond, 2 * time.Second},
	Refused:   {time.Second, 10 * time.Second},
	Permanent: {time.Minute, time.Minute},
}

func (t *trouble) add(err *Error, now time.Time, awaited bool) {
	t.err = err
	if err.after > 0 { // the server's wish counts for everybody
		t.retryAt = now.Add(err.after)
	}
	if awaited {
		p := pauses[err.Kind]
		if at := now.Add(doubled(p.first, t.awaited, p.most)); at.After(t.retryAt) {
			t.retryAt = at
		}
		t.awaited++
	}
	t.refreshAfter = now.Add(doubled(time.Second, t.failures, 30*time.Second))
	t.failures++
	err.RetryAt = t.retryAt
}

// coolDown returns the error to give to callers now, nil if an acquisition may begin.
func (t *trouble) coolDown(now time.Time) *Error {
	if t.err != nil && now.Before(t.retryAt) {
		return t.err
	}
	return nil
}

func (t *trouble) mayRefresh(now time.Time) bool {
	return !now.Before(t.retryAt) && !now.Before(t.refreshAfter)
}

func doubled(first time.Duration, times int, most time.Duration) time.Duration {
	return min(first<<min(times, 16), most)
}

// bucket bounds the renewals that a refusing FHIR server can cause.
type bucket struct {
	level float64
	at    time.Time
}

const (
	bucketSize = 3
	bucketGain = 10 * time.Second // for one more
)

func newBucket() bucket { return bucket{level: bucketSize} }

func (b *bucket) take(now time.Time) bool {
	if !b.at.IsZero() {
		b.level = min(bucketSize, b.level+now.Sub(b.at).Seconds()/bucketGain.Seconds())
	}
	b.at = now
	if b.level < 1 {
		return false
	}
	b.level--
	return true
}
