package reliability

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// misbehaved returns what an attempt did that none should, empty if nothing: a request goes out once, and again only after a 401,
// with another token. (The clocks of the two servers never differ by so little that a token would be waited for.)
func (o *attempted) misbehaved() string {
	for i, s := range o.sends {
		switch {
		case s.bearer == "":
			return "a request without a token"
		case i > 1:
			return "a request that was sent three times"
		case i == 1 && o.sends[0].status != http.StatusUnauthorized:
			return "a request that was sent again though it had not been answered with 401"
		case i == 1 && s.bearer == o.sends[0].bearer:
			return "a request that was sent again with the token that had been refused"
		}
	}
	return ""
}

// judge looks for a reason for each attempt that did not go well, or took long.
func (c *chaos) judge(g *grumbler, r *tally) {
	reasons := map[string]int{}
	for _, o := range r.kept {
		reason, ok := c.reason(o)
		if reason != "" {
			reasons[reason]++
		}
		if !ok {
			g.complain("%s: %s after %v: status %d, %v, %d sent: %s", o.client.name, clockTime(o.begin), o.end.Sub(o.begin), o.status, o.err, len(o.sends), reason)
		}
		if idle := o.client.seen.idle(o); c.late(idle, aReturn, o.begin, o.end) {
			g.complain("%s: %s: an attempt was neither at the FHIR server nor waiting for a token for %v", o.client.name, clockTime(o.begin), idle)
		}
		if o.usedRefused() {
			g.complain("%s: %s: a call had a token that was being replaced, as a server had refused it", o.client.name, clockTime(o.begin))
		}
		for _, s := range o.sends {
			if s.status == http.StatusUnauthorized && !c.mayRefuse(o, s) {
				g.complain("%s: %s: nothing explains the 401 to %s", o.client.name, clockTime(s.begin), clockTime(s.end))
			}
			if c.late(s.end.Sub(s.begin), aRequest, s.begin, s.end) && !c.explained(s.begin, s.end, slowFHIR) {
				g.complain("%s: %s: nothing explains that the FHIR server took %v", o.client.name, clockTime(s.begin), s.end.Sub(s.begin))
			}
		}
	}
	for _, one := range r.calls {
		if wrong := c.wrongEnd(one); wrong != "" {
			g.complain("%s: %s after %v: %d attempts: status %d, %v: %s", one.client.name, clockTime(one.begin), one.end.Sub(one.begin),
				len(one.attempts), one.status, one.err, wrong)
		}
	}
	for _, wrong := range c.bystander.wrong {
		g.complain("%s", wrong)
	}
	var away time.Duration
	for _, s := range c.stalls {
		away += s.end.Sub(s.begin)
	}
	g.Logf("%d calls went well and %d did not, in %d incidents; the machine kept us waiting for %v", r.right.Load(), r.bad, len(c.incidents),
		away.Round(time.Millisecond))
	g.Logf("%d times a stack repeated a request by itself; %d opaque bodies were sent again after a 401", r.repeated, r.resent)
	for _, reason := range slices.Sorted(maps.Keys(reasons)) {
		g.Logf("%7d × %s", reasons[reason], reason)
	}
}

// usedRefused tells whether an attempt that began while a refused token was being replaced had that token. It is to wait for the next:
// 2 s from the source's own beginning, which one second from what the observer saw cannot reach.
func (o *attempted) usedRefused() bool {
	if len(o.sends) == 0 {
		return false
	}
	from, sent := o.client.seen.byToken[o.sends[0].bearer], o.sends[0].begin
	if from == nil || from.renewal == nil {
		return false
	}
	r := from.renewal
	return o.begin.After(r.begin) && sent.Before(r.end) && sent.Before(r.begin.Add(time.Second))
}

// mayRefuse tells whether the FHIR server had a reason to answer s with 401.
func (c *chaos) mayRefuse(o *attempted, s send) bool {
	from := o.client.seen.byToken[s.bearer]
	return from != nil && (c.explained(s.begin, s.end, allRefused) || c.explained(from.begin, s.end, deadToken))
}

// reason returns what an attempt met, empty if it went well, and whether a fault explains it.
func (c *chaos) reason(o *attempted) (string, bool) {
	var last send // the zero value meets no fault
	if len(o.sends) > 0 {
		last = o.sends[len(o.sends)-1]
	}
	during := func(e effect) (string, bool) { return string(e), c.explained(last.begin, o.end, e) }
	took := o.end.Sub(o.begin)
	atDeadline := took >= o.patience && !c.late(took-o.patience, aReturn, o.begin, o.end)
	var e *smartauth.Error
	var ne net.Error
	switch {
	case o.wrong != "":
		return o.wrong, false
	case errors.As(o.err, &e):
		nothingDone := len(o.sends) == 0 || last.status == http.StatusUnauthorized
		return fmt.Sprintf("no token: %v", effectOf(e)), nothingDone && o.client.seen.told(c, o, e)
	case errors.Is(o.err, context.DeadlineExceeded), errors.As(o.err, &ne) && ne.Timeout():
		return "the caller's deadline", atDeadline // and what it waited for is judged for all calls
	case o.err != nil && o.status == http.StatusUnauthorized && !c.explained(last.begin, o.end, brokenFHIR):
		return "a 401 whose body the machine kept", c.gaveUp(o, last)
	case o.err != nil:
		return during(brokenFHIR)
	case o.status == http.StatusServiceUnavailable:
		return during(downFHIR)
	case o.status == http.StatusUnauthorized && len(o.sends) == 2:
		return "a 401 to the new token, too", true // each is judged for all calls
	case o.status == http.StatusUnauthorized && atDeadline:
		return "a 401 at the caller's deadline", true
	case o.status == http.StatusUnauthorized && o.healed:
		return "a 401 to a repeat, after one that brought a new token", true // there is one for a call
	case o.status == http.StatusUnauthorized:
		return "a 401 for lack of renewals", o.client.seen.mayLackRenewals(o.client.seen.byToken[last.bearer], last.end) || c.gaveUp(o, last)
	case o.status >= 300:
		return fmt.Sprintf("status %d", o.status), false
	}
	return "", true
}

// wrongEnd returns what is wrong with what a stack made of the attempts of a call, each of which is judged by itself.
func (c *chaos) wrongEnd(one *call) string {
	took, last, most := one.end.Sub(one.begin), one.last(), 1+one.client.stack.repeats
	if last == nil {
		return "no request"
	}
	away := took // from the attempts
	for _, o := range one.attempts {
		away -= o.end.Sub(o.begin)
	}
	var e *smartauth.Error
	var ne net.Error
	outOfTime := errors.Is(one.err, context.DeadlineExceeded) || errors.As(one.err, &ne) && ne.Timeout()
	switch {
	case one.err != nil && tokenShaped.MatchString(one.err.Error()):
		return "a token or an assertion in the error"
	case len(one.attempts) > most:
		return "too many attempts"
	case most == 1 && c.late(away, aReturn, one.begin, one.end):
		return fmt.Sprintf("the stack itself took %v", away)
	case outOfTime && (took < one.patience || c.late(took-one.patience, aReturn, one.begin, one.end)):
		return "not at the caller's deadline"
	case one.status != 0 || outOfTime:
		return ""
	case len(one.attempts) < most:
		return "too few attempts"
	case errors.As(last.err, &e) && !errors.As(one.err, &e):
		return "the reason is lost"
	}
	return ""
}

// gaveUp tells whether the transport may have stopped to wait for a body, as it does after a second, though only the machine was slow.
func (c *chaos) gaveUp(o *attempted, last send) bool {
	took := o.end.Sub(last.end)
	return took >= time.Second && !c.late(took, aReturn, last.end, o.end)
}

// idle returns how long an attempt was neither at the FHIR server nor waiting for an acquisition.
func (a *acquisitions) idle(o *attempted) time.Duration {
	if o.end.Sub(o.begin) <= aReturn*eachStep {
		return 0
	}
	var busy []span
	for _, s := range o.sends {
		busy = append(busy, span{s.begin, s.end})
	}
	for _, one := range a.done {
		if one.begin.Before(o.end) && one.end.After(o.begin) {
			busy = append(busy, span{one.begin, one.end})
		}
	}
	slices.SortFunc(busy, func(a, b span) int { return a.begin.Compare(b.begin) })
	idle, at := time.Duration(0), o.begin
	for _, s := range append(busy, span{o.end, o.end}) {
		if s.end.Before(at) {
			continue
		}
		idle += max(0, s.begin.Sub(at))
		at = s.end
	}
	return idle
}
