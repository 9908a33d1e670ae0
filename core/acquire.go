package smartauth

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const mostAttempts = 3

// acquire gets a token: discover, sign, exchange, and again after a temporary failure, always with a new assertion, as a
// failed attempt may have used up its jti (TOP-KT-005c; the reference server burns it before it looks at the signature).
// A refusal whose Date shows another clock is followed by one more attempt, on that clock. After a 500 with such a Date the next
// attempt is on it, and the last on the old one again.
func (s *Source) acquire(ctx context.Context) (*Token, error) {
	offset := s.clock.offset()
	followed, trial := false, false // whether an attempt was on the server's clock, and whether this is one because of a 500
	var done attempts
	for attempt := 0; ; attempt++ {
		token, err := s.attempt(ctx, done, offset)
		if err == nil {
			s.clock.set(offset)
			return token, nil
		}
		e := asError(err, PhaseAcquire)
		done.add(e.Phase)
		if e.Phase == PhaseExchange && (e.Kind == Refused || e.StatusCode == 0) || e.Phase == PhaseSign && e.Kind == Permanent {
			s.discoverer.outdated.Store(true) // the endpoint is dead or moved, or the list of algorithms has changed
		}
		refused := e.Phase == PhaseExchange && e.Kind == Refused
		switch {
		case trial: // the 500 had another reason, or its Date was wrong
			offset, trial = s.clock.offset(), false
			if refused {
				continue
			}
		case refused:
			s.clock.set(0)
			if e.clockOff != 0 && !followed {
				offset, followed = onServerClock(offset, e), true
				continue
			}
		case e.clockOff != 0 && attempt == 0: // a 500; later there would be no attempt left to go back to the old clock
			offset, followed, trial = onServerClock(offset, e), true, true
		}
		if !e.again || attempt >= mostAttempts-1 || !pause(ctx, max(e.after, backoff(attempt))) {
			return nil, e
		}
	}
}

// attempts counts how often each phase of an acquisition was gone through and did not lead to a token.
type attempts struct{ discover, sign, exchange int }

func (n *attempts) add(failed Phase) {
	switch failed {
	case PhaseDiscover:
		n.discover++
	case PhaseSign:
		n.sign++
	case PhaseExchange:
		n.sign++
		n.exchange++
	}
}

func (s *Source) attempt(ctx context.Context, done attempts, offset time.Duration) (*Token, error) {
	endpoint, advertised, err := s.tokenEndpoint(ctx, done.discover)
	if err != nil {
		return nil, err
	}
	a, err := s.sign(ctx, s.audience(endpoint), advertised, offset, done.sign)
	if err != nil {
		return nil, err
	}
	return s.exchange(ctx, endpoint, a, done.exchange)
}

// backoff is between 50 and 100 % of 200 ms, doubled for each attempt before.
func backoff(attempt int) time.Duration {
	d := 200 * time.Millisecond << attempt
	return d/2 + rand.N(d/2)
}

// pause waits for d and reports whether it has passed. If ctx is to end before that, it does not even begin.
func pause(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// onServerClock returns the offset by which the server's clock is met, after an assertion that was signed with another.
func onServerClock(offset time.Duration, e *Error) time.Duration {
	if offset += e.clockOff; offset.Abs() < clockTolerance { // the local clock will do
		return 0
	}
	return offset
}

// clock remembers how far the authorization server's clock is from the local one: the offset with which an assertion was
// accepted after one without it was not. It is zero while the local clock is good enough.
type clock struct{ nanos atomic.Int64 }

func (c *clock) offset() time.Duration { return time.Duration(c.nanos.Load()) }

func (c *clock) set(offset time.Duration) { c.nanos.Store(int64(offset)) }
