package jwks

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// loadPatience is how long whoever uses the ring waits for Load. The directory of the keys may be on a server that hangs.
const loadPatience = 2 * time.Second

var (
	errSlow  = fmt.Errorf("jwks: RingConfig.Load takes longer than %v", loadPatience)
	errEmpty = errors.New("jwks: the ring has no key left")
)

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

// due tells whether ReloadInterval has passed, on the wall clock too: the other stands still while a machine sleeps.
func (r *Ring) due(now time.Time) bool {
	wall := now.Round(0).Sub(r.loaded.Round(0))
	return wall < 0 || wall >= r.cfg.ReloadInterval || now.Sub(r.loaded) >= r.cfg.ReloadInterval
}

// reload is the only one at a time, until it has told OnError.
func (r *Ring) reload(l *loading) {
	told := make(chan struct{})
	slow := time.AfterFunc(loadPatience, func() {
		defer close(told)
		r.tell(errSlow)
	})
	loaded, err := r.load()
	if !slow.Stop() {
		<-told
	}
	r.mu.Lock()
	r.keys, err = r.merge(loaded, err, l.began)
	r.loaded = l.began
	r.mu.Unlock()
	close(l.done)

	r.tell(err)
	r.mu.Lock()
	r.loading = nil
	r.mu.Unlock()
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

// merge returns the keys to go on with, the oldest first: those loaded, without the compromised ones, or those from before
// where they are of no use. The caller holds r.mu.
func (r *Ring) merge(loaded []RingKey, err error, now time.Time) ([]ringKey, error) {
	if err != nil && loaded == nil {
		return r.keys, err
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
	before := slices.DeleteFunc(slices.Clone(r.keys), func(k ringKey) bool { return compromised[k.Signer.KeyID()] })
	keys, fault := r.take(good, before, now)
	if fault != nil { // withdrawing must not wait until somebody has mended the rest
		return before, errors.Join(err, fault)
	}
	r.looked = now
	if err == nil && len(keys) == 0 {
		err = errEmpty
	}
	return keys, err
}

// take returns the keys loaded, with what is known of them from before.
func (r *Ring) take(loaded []RingKey, before []ringKey, now time.Time) ([]ringKey, error) {
	if err := check(loaded); err != nil {
		return nil, err
	}
	keys := make([]ringKey, len(loaded))
	for i, k := range loaded {
		keys[i] = ringKey{RingKey: k, since: k.Published}
		j := slices.IndexFunc(before, func(b ringKey) bool { return b.Signer.KeyID() == k.Signer.KeyID() })
		switch {
		case j >= 0 && !samePublic(k.Signer.Public(), before[j].Signer.Public()):
			return nil, fmt.Errorf("jwks: the kid %q now names another key, of which caches do not know; give it a new one", k.Signer.KeyID())
		case j >= 0 && k.Published.Equal(before[j].Published):
			keys[i].since = before[j].since
		case k.Published.Before(r.looked) && now.Sub(r.looked) < assertionLife:
			keys[i].since = now // it was not there then, whatever it says: files keep their time when they are moved
		}
	}
	slices.SortStableFunc(keys, func(a, b ringKey) int { return a.Published.Compare(b.Published) })
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

// tell tells OnError what is new.
func (r *Ring) tell(err error) {
	r.mu.Lock()
	changed := text(err) != text(r.err)
	r.err = err
	r.mu.Unlock()
	if !changed {
		return
	}
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
		slog.Error("not all keys can be loaded; those that cannot stay as they were", "error", err)
	} else {
		slog.Info("the keys can be loaded again")
	}
}
