package reliability

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// acquisitions is an Observer that looks at each acquisition of a source.
type acquisitions struct {
	chaos *chaos

	mu       sync.Mutex
	done     []acquisition
	underWay int
	together int // the most at once
}

type acquisition struct {
	reason     smartauth.Reason
	background bool
	begin, end time.Time
	err        error
	token      *smartauth.Token
}

type acquisitionKey struct{}

func (a *acquisitions) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	if s.Phase != smartauth.PhaseAcquire || s.Shared {
		return context.WithValue(ctx, acquisitionKey{}, (*acquisition)(nil))
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.underWay++
	a.together = max(a.together, a.underWay)
	return context.WithValue(ctx, acquisitionKey{}, &acquisition{reason: s.Reason, background: s.Background, begin: time.Now()})
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
	a.done = append(a.done, *one)
}

// judge checks what holds of the acquisitions of a source, however many callers there are.
func (s *soakClient) judge(t *testing.T, c *chaos, d time.Duration) {
	a := s.seen
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.together > 1 {
		t.Errorf("%s: %d acquisitions at once", s.name, a.together)
	}
	tokens := map[string]bool{}
	good, renewals := 0, 0
	for i, one := range a.done {
		if one.err == nil {
			good++
			if one.reason == smartauth.ReasonRejected {
				renewals++
			}
			if secret := one.token.AccessToken(); tokens[secret] {
				t.Errorf("%s: a token was issued twice", s.name)
			} else {
				tokens[secret] = true
			}
			continue
		}
		var e *smartauth.Error
		if !errors.As(one.err, &e) {
			t.Errorf("%s: an acquisition ended in %v", s.name, one.err)
			continue
		}
		pause, effects := 250*time.Millisecond, []effect{noToken, slow}
		switch e.Kind {
		case smartauth.Refused:
			pause, effects = time.Second, []effect{refusedToken}
		case smartauth.Permanent:
			t.Errorf("%s: %v", s.name, e)
		}
		explained := false
		for _, what := range effects {
			explained = explained || c.explained(one.begin, one.end, what, slack)
		}
		if !explained {
			t.Errorf("%s: from %s to %s nothing explains: %v", s.name, one.begin.Format("15:04:05.000"), one.end.Format("15:04:05.000"), e)
		}
		if i+1 < len(a.done) && !one.background {
			if left := a.done[i+1].begin.Sub(one.end); left < pause-10*time.Millisecond {
				t.Errorf("%s: the server was left alone for %v only after: %v", s.name, left, e)
			}
		}
	}
	// Each token has at most one successor, as there is one acquisition at a time; three at once and one every 10 s replace
	// tokens that a server refused.
	if most := 3 + int((d+5*time.Second)/(10*time.Second)) + 1; renewals > most {
		t.Errorf("%s: %d renewals after refusals, want at most %d", s.name, renewals, most)
	}
	t.Logf("%s: %d acquisitions, %d of them failed, %d renewals after refusals", s.name, len(a.done), len(a.done)-good, renewals)
}
