package smartauth

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// told is what the observer was told and is not told again, guarded by Source.mu except failing.
type told struct {
	failing   atomic.Bool // the last acquisition failed
	failures  []failure   // since the last success
	offset    time.Duration
	tolerated bool // that the clock is off
}

// failure is what makes one worth telling beside another.
type failure struct {
	kind   Kind
	phase  Phase
	status int
	code   string
	served bool // callers had a token nevertheless
}

const maxFailures = 10 // told before a success: a server may make up codes

// stateChange is one to be told, in the context of the acquisition that brought it.
type stateChange struct {
	ctx context.Context
	StateChange
}

// noteSuccess and noteFailure note what has changed by an acquisition. The caller holds s.mu.
func (s *Source) noteSuccess(ctx context.Context, failedBefore bool, replaced *entry, t *Token) {
	s.told.failing.Store(false)
	s.told.failures = nil
	s.noteClock(ctx, t)
	if failedBefore {
		s.note(ctx, StateChange{State: StateRecovered})
	}
	if replaced != nil && replaced.token.scope == t.scope {
		return
	}
	if t.scope == "" {
		s.note(ctx, StateChange{State: StateScopeMissing})
	} else if missing := missingScopes(s.cfg.Scopes, t.scope); len(missing) > 0 {
		s.note(ctx, StateChange{State: StateScopeNarrower, Scopes: missing})
	}
}

// noteClock notes a clock that assertions are signed on, or that is off although they need not be, and one that is right again.
func (s *Source) noteClock(ctx context.Context, t *Token) {
	offset, tolerated := s.clock.offset(), false
	if offset == 0 {
		limit := clockTolerance
		if s.told.tolerated { // it is known to within a second
			limit -= time.Second
		}
		tolerated = t.clockOffset.Abs() > limit || t.date.IsZero() && s.told.tolerated
	}
	if offset == s.told.offset && tolerated == s.told.tolerated {
		return
	}
	s.told.offset, s.told.tolerated = offset, tolerated
	switch {
	case offset != 0:
		s.note(ctx, StateChange{State: StateClockOff, Offset: offset})
	case tolerated:
		s.note(ctx, StateChange{State: StateClockTolerated, Offset: t.clockOffset})
	default:
		s.note(ctx, StateChange{State: StateClockRight})
	}
}

// missingScopes returns those of wanted that were not granted. A server that knows what a wildcard stands for may grant that.
func missingScopes(wanted []string, granted string) []string {
	have := strings.Fields(granted)
	return slices.DeleteFunc(slices.Clone(wanted), func(scope string) bool {
		return strings.Contains(scope, "*") || slices.Contains(have, scope)
	})
}

func (s *Source) noteFailure(ctx context.Context, err *Error) {
	s.told.failing.Store(true)
	c := StateChange{State: StateFailing, Err: err}
	e := s.current.Load()
	served := e.alive() && (!e.suspect || e.kept)
	if served {
		c.Expiry = e.token.expiry
	}
	f := failure{err.Kind, err.Phase, err.StatusCode, err.Code, served}
	if len(s.told.failures) < maxFailures && !slices.Contains(s.told.failures, f) {
		s.told.failures = append(s.told.failures, f)
		s.note(ctx, c)
	}
}

// noteLeftAlone notes that the token has expired since the acquisition that failed with err. It is told apart, as it is a
// caller who finds out. The caller holds s.mu.
func (s *Source) noteLeftAlone(ctx context.Context, err *Error) {
	before := len(s.changes)
	if s.noteFailure(context.WithoutCancel(ctx), err); len(s.changes) > before {
		go s.tell()
	}
}

// warn tells of what a Signer has to warn of, once.
func (s *Source) warn(ctx context.Context, warning error) {
	if warning == nil {
		return
	}
	s.mu.Lock()
	if s.toldWarning != warning.Error() {
		s.toldWarning = warning.Error()
		s.note(ctx, StateChange{State: StateKeyExposed, Err: warning})
	}
	s.mu.Unlock()
	s.tell()
}

func (s *Source) note(ctx context.Context, c StateChange) {
	if s.notify.state != nil {
		c.Source = s
		s.changes = append(s.changes, stateChange{ctx, c})
	}
}

// tell tells the observer what was noted, in that order. What another acquisition notes meanwhile is told by whoever is at it.
func (s *Source) tell() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.telling {
		return
	}
	s.telling = true
	defer func() { s.telling = false }()
	for len(s.changes) > 0 {
		c := s.changes[0]
		s.changes = s.changes[1:]
		s.tellOne(c)
	}
}

func (s *Source) tellOne(c stateChange) {
	s.mu.Unlock()
	defer s.mu.Lock()
	s.notify.stateChanged(c.ctx, c.StateChange)
}
