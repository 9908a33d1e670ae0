package reliability

import (
	"slices"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// The documented pauses after failures that somebody waited for: they double from first to most.
var soakPauses = map[smartauth.Kind]struct{ first, most time.Duration }{
	smartauth.Temporary: {250 * time.Millisecond, 2 * time.Second},
	smartauth.Refused:   {time.Second, 10 * time.Second},
	smartauth.Permanent: {time.Minute, time.Minute},
}

func doubled(first time.Duration, times int, most time.Duration) time.Duration {
	for ; times > 0 && first < most; times-- {
		first *= 2
	}
	return min(first, most)
}

// judgePauses checks that the server is left alone after failures, for longer each time. The pauses are counted from a moment that
// cannot be later than the source's own, so they need no allowance.
func (s *soakClient) judgePauses(g *grumbler) {
	var free, freeInBackground time.Time // from when on an acquisition may begin
	var failures, awaited int            // since the last success
	for _, one := range s.seen.done {
		if early := free.Sub(one.begin); early > 0 {
			g.complain("%s: %s: an acquisition began %v early, after %d failures", s.name, clockTime(one.begin), early, failures)
		}
		if early := freeInBackground.Sub(one.begin); one.background && early > 0 {
			g.complain("%s: %s: a refresh in the background began %v early, after %d failures", s.name, clockTime(one.begin), early, failures)
		}
		e, failed := one.err.(*smartauth.Error) // or there was a complaint
		if !failed {
			free, freeInBackground, failures, awaited = time.Time{}, time.Time{}, 0, 0
			continue
		}
		if one.awaited {
			p := soakPauses[e.Kind]
			one.pause = doubled(p.first, awaited, p.most)
			awaited++
		}
		if effectOf(e) == busyToken {
			one.pause = max(one.pause, busyFor)
		}
		if at := one.end.Add(one.pause); at.After(free) {
			free = at
		}
		freeInBackground = one.end.Add(doubled(time.Second, failures, 30*time.Second))
		failures++
	}
}

// told tells whether a caller had to be told e: as one who waited for an acquisition, or in the pause that followed it. RetryAt is
// the end of that pause, which began between the end of the acquisition and the moment that the caller knew. Who was refused nothing
// yet has the token of before while it lasts.
func (a *acquisitions) told(c *chaos, o *attempted, e *smartauth.Error) bool {
	if !e.RetryAt.After(o.begin) {
		return false
	}
	for _, one := range a.done {
		of, _ := one.err.(*smartauth.Error)
		if of == nil || one.pause == 0 || of.Kind != e.Kind || of.Phase != e.Phase || of.StatusCode != e.StatusCode {
			continue
		}
		if len(o.sends) == 0 && one.replaces != nil && o.end.Before(one.replaces.token.Expiry()) {
			continue
		}
		if began := e.RetryAt.Add(-one.pause); !began.Before(one.end) && !began.After(o.end) && !c.late(began.Sub(one.end), aStep, one.end, o.end) {
			return true
		}
	}
	return false
}

// A take is a renewal that the source allowed for a token that a server had refused, some time between from and to.
type take struct {
	of       *acquisition // that had brought the token
	from, to time.Time
	sure     bool // false if the token was being replaced anyway, and may not have cost one
}

const (
	renewalsAtOnce = 3
	renewalEvery   = 10 * time.Second
)

// judgeRenewals checks that three refused tokens are replaced at once, and one more every 10 s, whatever stretch of time one looks at.
func (s *soakClient) judgeRenewals(g *grumbler) {
	var takes []take // one for each token at most
	for _, one := range s.seen.done {
		if one.replaces == nil || !s.tap.refused(one.replaces.token, one.end) {
			continue
		}
		t := take{one.replaces, s.tap.bearers[one.replaces.token.AccessToken()].refused, one.end, false}
		if one.reason == smartauth.ReasonRejected {
			t.to, t.sure = one.begin, true
		}
		switch last := len(takes) - 1; {
		case last < 0 || takes[last].of != t.of:
			takes = append(takes, t)
		case !takes[last].sure:
			takes[last] = t
		}
	}
	s.seen.takes = takes
	takes = slices.DeleteFunc(slices.Clone(takes), func(t take) bool { return !t.sure })
	for i, first := range takes {
		for j, last := range takes[i:] {
			span := last.to.Sub(first.from)
			if most := renewalsAtOnce + span.Seconds()/renewalEvery.Seconds(); float64(j+1) > most+1e-6 {
				g.complain("%s: %d renewals for refused tokens in %v to %s", s.name, j+1, span, clockTime(last.to))
			}
		}
	}
	g.Logf("%s: %d tokens were replaced because they were refused", s.name, len(takes))
}

// mayLackRenewals tells whether no renewal may have been left when the token of one was refused then: a token that was being
// renewed needs no other. What was taken later leaves less.
func (a *acquisitions) mayLackRenewals(of *acquisition, then time.Time) bool {
	level, at := float64(renewalsAtOnce), then
	for _, t := range a.takes {
		if t.to.After(then) {
			break
		}
		if t.of == of && t.sure {
			return false
		}
		if level < renewalsAtOnce {
			level = min(renewalsAtOnce, level+t.to.Sub(at).Seconds()/renewalEvery.Seconds())
		}
		level, at = max(0, level-1), t.to
	}
	return level+then.Sub(at).Seconds()/renewalEvery.Seconds() < 1
}

// judgeRequests checks the token requests that reached the sandbox: each is of an acquisition that was under way, which makes at most
// three, a moment apart. An assertion that was refused for its clock is followed at once by one on the other.
func (s *soakClient) judgeRequests(g *grumbler, c *chaos) {
	const between = 100 * time.Millisecond
	requests := c.requests.of(s.id)
	jtis := map[string]bool{}
	for _, r := range requests {
		if r.jti == "" || jtis[r.jti] {
			g.complain("%s: %s: a token request with no jti of its own", s.name, clockTime(r.at))
		}
		jtis[r.jti] = true
	}
	learnt := time.Time{} // from when on it may know another clock
	for i, one := range s.seen.done {
		until := one.end.Add(slack) // a request whose connection broke may be on its way still
		if i+1 < len(s.seen.done) && s.seen.done[i+1].begin.Before(until) {
			until = s.seen.done[i+1].begin
		}
		n, last := 0, time.Time{}
		moved := c.explained(learnt, one.end, movedClock)
		for len(requests) > 0 && !requests[0].at.After(until) {
			r := requests[0]
			requests = requests[1:]
			if n++; r.at.Before(one.begin) {
				g.complain("%s: %s: a token request outside of any acquisition", s.name, clockTime(r.at))
			}
			if gap := r.at.Sub(last); gap < between && !moved {
				g.complain("%s: %s: a token request %v after the one before", s.name, clockTime(r.at), gap)
			}
			last = r.at
		}
		most := 3
		if moved {
			most++
		}
		if n > most {
			g.complain("%s: %s: an acquisition made %d requests", s.name, clockTime(one.begin), n)
		}
		if one.err == nil {
			learnt = one.begin
		}
	}
	if len(requests) > 0 {
		g.complain("%s: %s: %d token requests after the last acquisition", s.name, clockTime(requests[0].at), len(requests))
	}
}
