package smartauth

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

const mostAttempts = 3

// acquire gets a token: discover, sign, exchange, and again after a temporary failure, always with a new assertion, as a
// failed attempt has used up its jti (TOP-KT-005c; the reference server burns it before it looks at the signature).
func (s *Source) acquire(ctx context.Context) (*Token, error) {
	offset := s.clock.offset()
	reissued := false
	for attempt := 0; ; attempt++ {
		token, err := s.attempt(ctx, attempt, offset)
		if err == nil {
			if s.clock.set(offset) {
				s.notify.stateChanged(ctx, StateChange{State: StateClockOff, Offset: offset})
			}
			return token, nil
		}
		e := asError(err, PhaseAcquire)
		if e.Phase == PhaseExchange && (e.Kind == Refused || e.StatusCode == 0) || e.Phase == PhaseSign && e.Kind == Permanent {
			s.discoverer.doubt.Store(true) // the endpoint is dead or moved, or the list of algorithms has changed
		}
		if e.Phase == PhaseExchange && e.Kind == Refused {
			s.clock.set(0)
			if e.reissue != 0 && !reissued {
				reissued, offset = true, offset+e.reissue
				continue
			}
		}
		if !e.again || attempt >= mostAttempts-1 || !pause(ctx, max(e.after, backoff(attempt))) {
			return nil, e
		}
	}
}

func (s *Source) attempt(ctx context.Context, attempt int, offset time.Duration) (*Token, error) {
	endpoint, err := s.tokenEndpoint(ctx, attempt)
	if err != nil {
		return nil, err
	}
	audience := endpoint.String()
	if s.cfg.Audience != "" {
		audience = s.cfg.Audience
	}
	a, err := s.sign(ctx, audience, s.advertised(), offset, attempt)
	if err != nil {
		return nil, err
	}
	return s.exchange(ctx, endpoint, a, attempt)
}

// backoff is between 50 and 100 % of 200 ms, doubled for each attempt before.
func backoff(attempt int) time.Duration {
	d := 200 * time.Millisecond << attempt
	return d/2 + rand.N(d/2)
}

// pause reports whether the time passed; it does not begin what ctx would not let end.
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

// clock is the authorization server's, as far as it was needed: the offset from the local one with which an assertion was
// accepted after one on the local clock was not.
type clock struct{ nanos atomic.Int64 }

func (c *clock) offset() time.Duration { return time.Duration(c.nanos.Load()) }

// set reports whether the clock is now off, and was not by this much before.
func (c *clock) set(offset time.Duration) bool {
	return c.nanos.Swap(int64(offset)) != int64(offset) && offset != 0
}
