package jwks

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"time"
)

// loadPatience is how long whoever uses the ring waits for Load. The directory of the keys may be on a server that hangs.
const loadPatience = 2 * time.Second

var (
	errSlow  = fmt.Errorf("jwks: RingConfig.Load takes longer than %v", loadPatience)
	errEmpty = errors.New("jwks: the ring has no key left")
	errNone  = errors.New("jwks: RingConfig.Load returned no keys")
	errEnded = errors.New("jwks: RingConfig.Load ended its goroutine")
)

// A notice is what OnError is told although all keys could be loaded. No start fails by it.
type notice struct{ error }

func serious(err error) bool {
	var n notice
	return err != nil && !errors.As(err, &n)
}

// loading is a call of Load under way.
type loading struct {
	began time.Time
	done  chan struct{} // closed when its keys are there
}

// refresh loads the keys anew if it is time for that. The caller does not hold r.mu.
func (r *Ring) refresh() {
	r.mu.Lock()
	l := r.loading
	if l == nil && r.due(time.Now()) {
		l = &loading{began: time.Now(), done: make(chan struct{})}
		r.loading = l
		go r.reload(l)
	}
	r.mu.Unlock()
	if l == nil {
		return
	}
	patience := time.NewTimer(time.Until(l.began.Add(loadPatience)))
	defer patience.Stop()
	select {
	case <-l.done:
	case <-patience.C:
	}
}

// due tells whether it is time for another Load: sooner after an error, as others may have the keys already.
func (r *Ring) due(now time.Time) bool {
	wait := r.cfg.ReloadInterval
	if !r.lastWhole.Equal(r.lastTry) {
		wait /= 4
	}
	return passed(r.lastTry, now) >= wait
}

// passed returns how long ago t was, on the wall clock too: the other stands still while a machine sleeps. A clock that was set
// back tells nothing, and counts as for ever.
func passed(t, now time.Time) time.Duration {
	wall := now.Round(0).Sub(t.Round(0))
	if wall < 0 {
		return math.MaxInt64
	}
	return max(wall, now.Sub(t))
}

// reload is the only one at a time, until it has told OnError. Load and OnError may end the goroutine.
func (r *Ring) reload(l *loading) {
	told := make(chan struct{})
	slow := time.AfterFunc(loadPatience, func() {
		defer close(told)
		r.report(errSlow)
	})
	loaded, err := []RingKey(nil), errEnded
	defer func() {
		defer func() {
			r.mu.Lock()
			r.loading = nil
			r.mu.Unlock()
		}()
		if !slow.Stop() {
			<-told
		}
		r.mu.Lock()
		err = r.merge(loaded, err, l.began)
		changed := r.remember(err)
		r.mu.Unlock()
		close(l.done)
		if changed {
			r.tell(err)
		}
	}()
	loaded, err = r.load()
}

// load calls Load; a panic there must not end the process.
func (r *Ring) load() (keys []RingKey, err error) {
	defer func() {
		if p := recover(); p != nil {
			keys, err = nil, fmt.Errorf("jwks: panic in RingConfig.Load (%T)", p)
		}
	}()
	return r.cfg.Load()
}

// report tells OnError of err if it is new.
func (r *Ring) report(err error) {
	r.mu.Lock()
	changed := r.remember(err)
	r.mu.Unlock()
	if changed {
		r.tell(err)
	}
}

// remember tells whether err is another than the last. The caller holds r.mu.
func (r *Ring) remember(err error) bool {
	changed := text(err) != text(r.err)
	r.err = err
	return changed
}

func (r *Ring) tell(err error) {
	defer func() {
		if p := recover(); p != nil {
			slog.Error(fmt.Sprintf("jwks: panic in RingConfig.OnError (%T)", p))
		}
	}()
	r.cfg.OnError(err)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return strings.TrimSpace(err.Error())
}

func logError(err error) {
	if err != nil {
		slog.Error("not all keys can be loaded or used; those that cannot be loaded stay as they were", "error", err)
	} else {
		slog.Info("the keys can be loaded again")
	}
}
