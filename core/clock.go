package smartauth

import (
	"sync/atomic"
	"time"

	"github.com/smartauth-go/smartauth/internal/peer"
)

const (
	clockTolerance = 5 * time.Second // a difference up to it is not why an assertion was refused: iat is back-dated by it
	clockFarthest  = 24 * time.Hour
)

// clock remembers how far the authorization server's clock is from the local one: the offset with which an assertion was
// accepted after one without it was not. It is zero while the local clock is good enough.
type clock struct{ nanos atomic.Int64 }

func (c *clock) offset() time.Duration { return time.Duration(c.nanos.Load()) }

func (c *clock) set(offset time.Duration) { c.nanos.Store(int64(offset)) }

// clockTry is whose clock an attempt is signed on.
type clockTry struct {
	offset   time.Duration
	followed bool // this attempt or one before it was on the server's clock
	trial    bool // this one is because of a 500
}

// next returns the clock for the attempt after one on try that failed with e, and whether it is due at once, whatever e says of
// tries. A refusal whose Date shows another clock is followed by one more attempt, on that clock. After a 500 with such a Date
// the next attempt is on it, and the last on the old one again.
func (c *clock) next(try clockTry, e *Error, attempt int) (_ clockTry, atOnce bool) {
	refused := e.Phase == PhaseExchange && e.Kind == Refused
	switch {
	case try.trial: // the 500 had another reason, or its Date was wrong
		return clockTry{offset: c.offset(), followed: true}, refused
	case refused:
		c.set(0)
		if e.clockOff != 0 && !try.followed {
			return clockTry{offset: onServerClock(try.offset, e), followed: true}, true
		}
	case e.clockOff != 0 && attempt == 0: // a 500; later there would be no attempt left to go back to the old clock
		return clockTry{offset: onServerClock(try.offset, e), followed: true, trial: true}, false
	}
	return try, false
}

// onServerClock returns the offset by which the server's clock is met, after an assertion that was signed with another.
func onServerClock(offset time.Duration, e *Error) time.Duration {
	if offset += e.clockOff; offset.Abs() < clockTolerance { // the local clock will do
		return 0
	}
	return offset
}

// clockOff returns how far the server's clock is ahead of the one that a was signed on, 0 if that is not known or too little
// to matter. The server may have set Date any time between the signing and the end of its answer, which can be long, as when
// it could not read the client's JWKS. Only a Date outside of that span proves anything. The difference is taken from the end
// of the span: an assertion that is dated too early does less harm than one from the future.
func clockOff(resp *reply, a *assertion) time.Duration {
	date := peer.Date(resp.header)
	received := a.clock.Add(resp.at.Sub(a.at))
	off := date.Sub(received)
	if date.IsZero() || off.Abs() > clockFarthest ||
		!date.Before(a.clock.Add(-clockTolerance)) && !date.After(received.Add(clockTolerance)) {
		return 0
	}
	return off
}
