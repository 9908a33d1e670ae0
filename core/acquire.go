package smartauth

import (
	"context"
	"math/rand/v2"
	"time"
)

const maxAttempts = 3

// acquire gets a token: discover, sign, exchange, and again after a temporary failure, always with a new assertion, as a
// failed attempt may have used up its jti (TOP-KT-005c; the reference server burns it before it looks at the signature).
func (s *Source) acquire(ctx context.Context) (*Token, error) {
	try := clockTry{offset: s.clock.offset()}
	var done attempts
	for attempt := 0; ; attempt++ {
		token, err := s.attempt(ctx, done, try.offset)
		if err == nil {
			s.clock.set(try.offset)
			return token, nil
		}
		e := asError(err, PhaseAcquire)
		done.add(e.Phase)
		if e.Phase == PhaseExchange && (e.Kind == Refused || e.StatusCode == 0) || e.Phase == PhaseSign && e.Kind == Permanent {
			s.discoverer.outdated.Store(true) // the endpoint is dead or moved, or the list of algorithms has changed
		}
		var atOnce bool
		if try, atOnce = s.clock.next(try, e, attempt); atOnce {
			continue
		}
		if !e.again || attempt >= maxAttempts-1 || !pause(ctx, max(e.after, backoff(attempt))) {
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
