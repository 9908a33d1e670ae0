package reliability

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// acquisitions is an Observer that keeps each acquisition of a source.
type acquisitions struct {
	mu       sync.Mutex
	done     []*acquisition
	underWay int
	together int // the most at once

	byToken map[string]*acquisition // and what it replaces; known when the run is over
	takes   []take
}

type acquisition struct {
	reason     smartauth.Reason
	background bool // began for no one in particular
	awaited    bool // somebody waited for it
	begin, end time.Time
	err        error
	token      *smartauth.Token

	replaces *acquisition  // brought the token that was the current one, nil if there was none
	renewal  *acquisition  // the first that was to replace its token, if that was because a server had refused it
	pause    time.Duration // that follows it if it failed, 0 if nobody waited
}

type acquisitionKey struct{}

func (a *acquisitions) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	if s.Phase != smartauth.PhaseAcquire {
		return ctx
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if s.Shared {
		if one, _ := s.Cause.Value(acquisitionKey{}).(*acquisition); one != nil {
			one.awaited = true
		}
		return context.WithValue(ctx, acquisitionKey{}, (*acquisition)(nil))
	}
	a.underWay++
	a.together = max(a.together, a.underWay)
	return context.WithValue(ctx, acquisitionKey{}, &acquisition{reason: s.Reason, background: s.Background, awaited: !s.Background, begin: time.Now()})
}

func (a *acquisitions) PhaseEnd(ctx context.Context, e smartauth.PhaseEnd) {
	one, _ := ctx.Value(acquisitionKey{}).(*acquisition)
	if one == nil || e.Phase != smartauth.PhaseAcquire {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.underWay--
	one.end, one.err, one.token = time.Now(), e.Err, e.Token
	a.done = append(a.done, one)
}

// settle waits for the end of what is under way, for nobody any more.
func (a *acquisitions) settle() {
	for {
		a.mu.Lock()
		n := a.underWay
		a.mu.Unlock()
		if n == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// effectOf returns what a fault must be able to do to explain e.
func effectOf(e *smartauth.Error) effect {
	switch {
	case e.Kind == smartauth.Permanent:
		return "a permanent failure"
	case e.Phase == smartauth.PhaseDiscover:
		return noDiscovery
	case e.Kind == smartauth.Refused:
		return refusedToken
	}
	switch e.StatusCode {
	case 0:
		return brokenToken
	case http.StatusServiceUnavailable:
		return downToken
	case http.StatusTooManyRequests:
		return busyToken
	}
	return "another failure"
}

// judge checks what holds of the acquisitions of a source, however many callers there are.
func (s *soakClient) judge(g *grumbler, c *chaos) {
	a := s.seen
	if a.together > 1 {
		g.complain("%s: %d acquisitions at once", s.name, a.together)
	}
	a.byToken = map[string]*acquisition{}
	var current *acquisition
	failed := 0
	for i, one := range a.done {
		one.replaces = current
		if first := i == 0 || a.done[i-1].replaces != current; first && current != nil && one.reason == smartauth.ReasonRejected {
			current.renewal = one
		}
		s.judgeReason(g, one)
		if took := one.end.Sub(one.begin); c.late(took, aRequest, one.begin, one.end) &&
			!c.explained(one.begin, one.end, slowToken, brokenToken, downToken, refusedToken, movedClock, noDiscovery) {
			g.complain("%s: %s: nothing explains that an acquisition took %v", s.name, clockTime(one.begin), took)
		}
		if one.err == nil {
			secret := one.token.AccessToken()
			if a.byToken[secret] != nil {
				g.complain("%s: a token was issued twice", s.name)
			}
			a.byToken[secret], current = one, one
			continue
		}
		failed++
		var e *smartauth.Error
		if !errors.As(one.err, &e) {
			g.complain("%s: an acquisition ended in %v", s.name, one.err)
		} else if !c.explained(one.begin, one.end, effectOf(e)) {
			g.complain("%s: from %s to %s nothing explains: %v", s.name, clockTime(one.begin), clockTime(one.end), e)
		}
	}
	s.judgeUse(g, c)
	s.judgePauses(g)
	s.judgeRenewals(g)
	s.judgeRequests(g, c)
	g.Logf("%s: %d acquisitions with %d requests, %d of them failed", s.name, len(a.done), len(c.requests.of(s.id)), failed)
}

// judgeReason checks that there was need for an acquisition.
func (s *soakClient) judgeReason(g *grumbler, one *acquisition) {
	ok := false
	switch old := one.replaces; one.reason {
	case smartauth.ReasonInitial:
		ok = old == nil
	case smartauth.ReasonRejected: // that very token, and before
		ok = old != nil && s.tap.refused(old.token, one.begin)
	case smartauth.ReasonExpiring: // in the last quarter of its life
		ok = old != nil && !one.begin.Before(old.token.Expiry().Add(-soakLifetime/4))
	case smartauth.ReasonExpired:
		ok = old != nil && !one.begin.Before(old.token.Expiry())
	}
	if !ok {
		g.complain("%s: %s: an acquisition began as if its token was %s", s.name, clockTime(one.begin), one.reason)
	}
}

// judgeUse checks that no call had a token that had ended, or had been replaced, when the call began.
func (s *soakClient) judgeUse(g *grumbler, c *chaos) {
	for bearer, u := range s.tap.bearers {
		from := s.seen.byToken[bearer]
		if from == nil {
			g.complain("%s: a bearer that no acquisition brought", s.name)
			continue
		}
		end := from.token.Expiry()
		if from.end.After(end) { // it had ended on the way, and those who waited for it have it still
			end = from.end.Add(eachStep)
		}
		if late := u.call.Sub(end); late > 0 {
			g.complain("%s: a call that began at %s, %v after the end of a token, had that", s.name, clockTime(u.call), late)
		}
	}
	for _, one := range s.seen.done {
		if one.err != nil || one.replaces == nil {
			continue
		}
		if u := s.tap.bearers[one.replaces.token.AccessToken()]; u != nil && c.late(u.call.Sub(one.end), aStep, one.end, u.call) {
			g.complain("%s: a call that began at %s had the token that was replaced at %s", s.name, clockTime(u.call), clockTime(one.end))
		}
	}
}

// refused tells whether the FHIR server had refused token by then.
func (p *tap) refused(token *smartauth.Token, then time.Time) bool {
	u := p.bearers[token.AccessToken()]
	return u != nil && !u.refused.IsZero() && !u.refused.After(then)
}
