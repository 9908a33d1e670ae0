package smartauth

import (
	"context"
	"slices"
	"strings"
)

// stateChange is one to be told, in the context of the acquisition that brought it.
type stateChange struct {
	ctx context.Context
	StateChange
}

// noteSuccess and noteFailure note what has changed by an acquisition. The caller holds s.mu.
func (s *Source) noteSuccess(ctx context.Context, failedBefore bool, replaced *entry, t *Token) {
	if offset := s.clock.offset(); offset != s.toldOffset {
		s.toldOffset = offset
		if offset == 0 {
			s.note(ctx, StateChange{State: StateClockRight})
		} else {
			s.note(ctx, StateChange{State: StateClockOff, Offset: offset})
		}
	}
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

// missingScopes returns those of wanted that were not granted. A server that knows what a wildcard stands for may grant that.
func missingScopes(wanted []string, granted string) []string {
	have := strings.Fields(granted)
	return slices.DeleteFunc(slices.Clone(wanted), func(scope string) bool {
		return strings.Contains(scope, "*") || slices.Contains(have, scope)
	})
}

func (s *Source) noteFailure(ctx context.Context, failedBefore bool, err *Error) {
	if !failedBefore {
		s.note(ctx, StateChange{State: StateFailing, Err: err})
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
