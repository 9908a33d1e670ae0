package smartauth

import (
	"sync/atomic"
	"time"
)

// Stats is what a [Source] can tell of itself without a lock that Token would wait for.
type Stats struct {
	// TokenEndpoint is the URL that tokens are asked from, without its query; empty until it is known.
	TokenEndpoint string

	// Expiry is that of the current token, zero if there is none.
	Expiry time.Time

	// Failing tells whether the last acquisition failed.
	Failing bool

	// Hits, Stale and Failed are the calls of Token so far that were answered at once: with a token in good order, with an older
	// one because there was no newer one soon enough, and with the error of an acquisition shortly before. The other calls
	// set off an acquisition or wait for one, and the Observer sees that. They are counted only if there is a Config.Observer.
	Hits, Stale, Failed uint64

	// ClockOffset is how far the authorization server's clock was ahead of the local one at the last token response, to within
	// a second and the time that the response took; ClockKnown tells whether there was a Date to compare.
	ClockOffset time.Duration
	ClockKnown  bool
}

// Stats returns the present ones.
func (s *Source) Stats() Stats {
	var st Stats
	if d := s.discoverer.known.Load(); s.cfg.token == nil && d != nil {
		st.TokenEndpoint = d.shown
	} else {
		st.TokenEndpoint = s.discoverer.pinned
	}
	st.Failing = s.told.failing.Load()
	if e := s.current.Load(); e != nil {
		st.Expiry = e.token.expiry
		st.ClockOffset, st.ClockKnown = e.token.clockOffset, !e.token.date.IsZero()
	}
	if s.counted != nil {
		st.Hits, st.Stale, st.Failed = s.counted.hits.Load(), s.counted.stale.Load(), s.counted.failed.Load()
	}
	return st
}

// counters are apart from the Source, so that counting does not take the current token from the caches of other processors.
type counters struct {
	_                   [64]byte
	hits, stale, failed atomic.Uint64
	_                   [64]byte
}

func (c *counters) hit() {
	if c != nil {
		c.hits.Add(1)
	}
}

// old counts a token that a refresh is due for, or overdue.
func (c *counters) old(overdue bool) {
	switch {
	case c == nil:
	case overdue:
		c.stale.Add(1)
	default:
		c.hits.Add(1)
	}
}

// coolingDown counts what a call is answered with while the authorization server is left alone, and returns it.
func (c *counters) coolingDown(t *Token, err error) (*Token, error) {
	switch {
	case c == nil:
	case err != nil:
		c.failed.Add(1)
	default:
		c.stale.Add(1)
	}
	return t, err
}
