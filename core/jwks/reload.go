package jwks

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
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

// merge goes on with the keys loaded, the oldest first and without the compromised ones, or with those from before where they are
// of no use. It returns what is to be told. The caller holds r.mu, or is the only one.
func (r *Ring) merge(loaded []RingKey, err error, now time.Time) error {
	r.lastTry = now
	if len(loaded) == 0 { // a directory that is not mounted looks like an empty one
		if err == nil {
			err = errNone
		}
		return err
	}
	compromised := make(map[string]bool)
	var good []RingKey
	for _, k := range loaded {
		if k.Signer != nil && k.Compromised {
			compromised[k.Signer.KeyID()] = true
		}
	}
	for _, k := range loaded {
		if k.Signer == nil || !compromised[k.Signer.KeyID()] {
			good = append(good, k)
		}
	}
	r.markRetired(now)
	before := slices.DeleteFunc(slices.Clone(r.keys), func(k ringKey) bool { return compromised[k.Signer.KeyID()] })
	keys, fault := r.take(good, before, now)
	if fault != nil { // withdrawing must not wait until somebody has mended the rest
		keys = before
	} else {
		r.lastGood = now
		if !serious(err) {
			r.lastWhole = now
		}
	}
	r.keys = keys
	if len(keys) == 0 && len(compromised) > 0 {
		fault = errors.Join(fault, errEmpty)
	}
	if fault == nil {
		fault = lateKeys(keys)
	}
	if err == nil || fault == nil {
		return cmp.Or(err, fault)
	}
	return errors.Join(err, fault)
}

// recent tells whether what has changed since the last look has changed about now. Of a ring that has rested for longer, other
// replicas may have seen it long ago.
func (r *Ring) recent(now time.Time) bool {
	return now.Sub(r.lastGood) < max(assertionLife, r.cfg.MaxAge)+r.cfg.ReloadInterval
}

// lateKeys returns what to tell of keys that will never sign.
func lateKeys(keys []ringKey) error {
	var kids []string
	for _, k := range keys {
		if k.late {
			kids = append(kids, strconv.Quote(k.Signer.KeyID()))
		}
	}
	if kids == nil {
		return nil
	}
	return notice{fmt.Errorf("jwks: older than the key that signs, and so not used: %s; a new key needs a new time", strings.Join(kids, ", "))}
}

// markRetired notes which keys others have replaced. If those are compromised, they are published again, but caches do not know
// them any more. The marks are of no effect while a newer key is in use.
func (r *Ring) markRetired(now time.Time) {
	if !r.recent(now) {
		return
	}
	inUse := r.inUse(now)
	for i, k := range r.keys {
		if !slices.ContainsFunc(inUse, func(u ringKey) bool { return u.Signer.KeyID() == k.Signer.KeyID() }) {
			r.keys[i].retired = now
		}
	}
}

// take returns the keys loaded, with what is known of them from before.
func (r *Ring) take(loaded []RingKey, before []ringKey, now time.Time) ([]ringKey, error) {
	if err := check(loaded); err != nil {
		return nil, err
	}
	keys := make([]ringKey, len(loaded))
	for i, k := range loaded {
		keys[i] = ringKey{RingKey: k, since: k.Published, late: true}
		j := slices.IndexFunc(before, func(b ringKey) bool { return b.Signer.KeyID() == k.Signer.KeyID() })
		if j >= 0 {
			keys[i].retired, keys[i].late = before[j].retired, before[j].late
		}
		switch {
		case j >= 0 && !samePublic(k.Signer.Public(), before[j].Signer.Public()):
			return nil, fmt.Errorf("jwks: the kid %q now names another key, of which caches do not know; give it a new one", k.Signer.KeyID())
		case j >= 0 && k.Published.Equal(before[j].Published):
			keys[i].since = before[j].since
		case k.Published.Before(r.lastGood) && r.recent(now):
			keys[i].since = now // it was not there then, whatever it says: files keep their time when they are moved
		}
	}
	slices.SortStableFunc(keys, func(a, b ringKey) int { return a.Published.Compare(b.Published) })
	signs := slices.IndexFunc(keys, func(k ringKey) bool { return k.Signer.KeyID() == r.active })
	for i := range keys {
		keys[i].late = keys[i].late && i < signs
	}
	return keys, nil
}

// check finds keys that cannot be published: nobody could use their signatures.
func check(keys []RingKey) error {
	public := make([]Key, len(keys))
	for i, k := range keys {
		if k.Signer == nil {
			return errors.New("jwks: a RingKey has no Signer")
		}
		public[i] = KeyOf(k.Signer)
	}
	_, err := Marshal(public...)
	return err
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
