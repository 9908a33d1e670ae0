package jwks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// assertionLife is how long a server may still want the key of the last assertion that it signed.
const assertionLife = 300 * time.Second

// A RingKey is one key of a [Ring].
type RingKey struct {
	Signer smartauth.PublicSigner

	// Published is since when the key is there for whoever loads the ring. All that publish it or sign with it must have the
	// same, or they do not agree when to begin. It tells which key is the newer, of two with the same time the later in the list:
	// a key that is older than the one that signs is not used, and if it comes later, OnError is told. A ring does not believe a
	// time before its last look at the keys, if that was within ReloadInterval and the longer of 300 s and MaxAge, and waits as
	// if the key had come now.
	Published time.Time

	// Compromised withdraws the key now: it signs nothing and is not published any more.
	Compromised bool
}

// ringKey is one that may be used.
type ringKey struct {
	RingKey
	since   time.Time // it is published: Published, if that can be believed
	retired time.Time // when it was last seen replaced, and so not published
	late    bool      // it was older than the key that signed when it came
}

// known returns since when caches may know the key.
func (k ringKey) known() time.Time {
	if k.retired.After(k.since) {
		return k.retired
	}
	return k.since
}

// before tells whether k goes before b where neither may sign yet: if caches know it longer, or it is the newer of two that have
// retired.
func (k ringKey) before(b ringKey) bool {
	return k.known().Before(b.known()) || k.known().Equal(b.known()) && k.known().Equal(k.retired)
}

// RingConfig says where the keys of a [Ring] come from. Load is required.
type RingConfig struct {
	// Load returns all keys: see [Directory]. It is called by NewRing and then when the ring is used and ReloadInterval has
	// passed, or a quarter of it after an error; never twice at once. Without any key the ring stays as it was, also if there is
	// no error: only RingKey.Compromised empties it. Keys beside an error count. After 2 s the users of the ring go on with the
	// keys from before.
	Load func() ([]RingKey, error)

	// MaxAge is the longest that a cache may keep the JWKS: the one that [Handler] is given. To make it shorter, give the
	// shorter one to Handler first, and here only when the longer one has passed: caches go by what they were told. 0 means 5
	// minutes.
	MaxAge time.Duration

	// ReloadInterval is how long it takes at most until a change of the keys is seen by all that publish them. 0 means 30 s.
	ReloadInterval time.Duration

	// OnError is told what keeps the keys from being loaded or used, or that none is left: once for each different error, and,
	// with nil, when all is well again. The ring makes no other call of Load meanwhile. Nil means package slog's default logger.
	OnError func(error)
}

// A Ring is a Signer over several keys of which one signs, and a [Source] of those to publish. A new key is published at once
// and signs once every cache must know it, even if one reload fails: MaxAge, twice ReloadInterval and the time of a slow Load (2 s,
// or ReloadInterval if that is shorter) after it was published. The first one signs at once. The old one stays published for as
// long as an assertion of its may be on its way: 300 s and ReloadInterval. If the one that signs is compromised, another that
// caches know takes its place, or else the one that has been published longest.
//
// All that load the same keys agree, as long as their clocks do. There is nothing to close; all methods may be called from any
// goroutine.
type Ring struct {
	cfg RingConfig

	mu      sync.Mutex // never held across Load or OnError
	keys    []ringKey  // the oldest first, without the compromised
	active  string     // the kid of the key that signs
	loading *loading   // nil if no Load is under way
	err     error      // what OnError was told last

	// When the last Load began, the last whose keys count, and the last that also had no error.
	lastTry, lastGood, lastWhole time.Time
}

// NewRing loads the keys. It is an error if that fails, or if none of them may be used.
func NewRing(c RingConfig) (*Ring, error) {
	if c.Load == nil {
		return nil, errors.New("jwks: NewRing: RingConfig.Load is nil; see Directory")
	}
	if c.MaxAge < 0 || c.ReloadInterval < 0 {
		return nil, errors.New("jwks: NewRing: MaxAge and ReloadInterval cannot be negative")
	}
	c.MaxAge = cmp.Or(c.MaxAge, 5*time.Minute)
	c.ReloadInterval = cmp.Or(c.ReloadInterval, 30*time.Second)
	if c.OnError == nil {
		c.OnError = logError
	}
	r := &Ring{cfg: c}
	now := time.Now()
	loaded, err := r.load()
	if !serious(err) {
		err = r.merge(loaded, err, now)
		if err == nil && len(r.keys) == 0 {
			err = errEmpty
		}
	}
	if serious(err) {
		return nil, fmt.Errorf("jwks: NewRing: %w", err)
	}
	r.report(err)
	return r, nil
}

// MaxAge returns RingConfig.MaxAge, for [Handler].
func (r *Ring) MaxAge() time.Duration { return r.cfg.MaxAge }

// Err returns what OnError was told last: nil if all is well. Like all methods but MaxAge it loads the keys if it is time for
// that, so that a health check need not wait for a request to learn of an error.
func (r *Ring) Err() error {
	r.refresh()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// Current returns the key that signs now, nil if there is none left. The [smartauth.Source] asks for it once for each assertion.
func (r *Ring) Current() smartauth.Signer {
	if k := r.current(); k != nil {
		return k
	}
	return nil // no nil pointer in an interface
}

// KeyID returns that of the key that signs now, empty if there is none.
func (r *Ring) KeyID() string {
	if k := r.current(); k != nil {
		return k.KeyID()
	}
	return ""
}

// Algorithms returns those of the key that signs now.
func (r *Ring) Algorithms() []string {
	if k := r.current(); k != nil {
		return k.Algorithms()
	}
	return nil
}

// Sign signs with the key that signs now. Whoever needs its KeyID with the signature asks Current once.
func (r *Ring) Sign(ctx context.Context, alg string, input []byte) ([]byte, error) {
	if k := r.current(); k != nil {
		return k.Sign(ctx, alg, input)
	}
	return nil, errEmpty
}

func (r *Ring) current() smartauth.PublicSigner {
	r.refresh()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.signing(time.Now())
}

// PublicKeys implements [Source].
func (r *Ring) PublicKeys() ([]Key, error) {
	keys, _ := r.published()
	return keys, nil
}

// published returns the keys to publish, and how long a cache may keep them: not at all if they were looked at so long ago, or so
// badly, that a key may be missing which caches must know by now.
func (r *Ring) published() (keys []Key, maxAge time.Duration) {
	r.refresh()
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.signing(now)
	for _, k := range r.inUse(now) {
		keys = append(keys, KeyOf(k.Signer))
	}
	if passed(r.lastWhole, now) <= r.cfg.ReloadInterval+r.patience() {
		maxAge = r.cfg.MaxAge
	}
	return keys, maxAge
}

// inUse returns the keys that others have not replaced, the oldest first. The caller holds r.mu.
func (r *Ring) inUse(now time.Time) []ringKey {
	var keys []ringKey
	for i, k := range r.keys {
		replaced := slices.ContainsFunc(r.keys[i+1:], func(newer ringKey) bool { return !now.Before(r.replaces(newer)) })
		if !replaced {
			keys = append(keys, k)
		}
	}
	return keys
}

// signing returns the key that signs, nil if there is none. It does not give way to an older one again, if the clock is set back
// or its file touched: others may have withdrawn that. The caller holds r.mu.
func (r *Ring) signing(now time.Time) smartauth.PublicSigner {
	keys := r.inUse(now)
	if len(keys) == 0 {
		return nil
	}
	best, found := keys[0], false
	for _, k := range keys {
		if k.Signer.KeyID() == r.active || !now.Before(r.signsFrom(k)) {
			best, found = k, true // the newest that may
		} else if !found && k.before(best) {
			best = k
		}
	}
	r.active = best.Signer.KeyID()
	return best.Signer
}

// signsFrom returns when every cache must know a key that is not the first. One reload may have failed, and the one after it
// have been slow; what is served later than that is not to be cached.
func (r *Ring) signsFrom(k ringKey) time.Time {
	return k.known().Add(r.cfg.MaxAge + 2*r.cfg.ReloadInterval + r.patience())
}

// replaces returns when keys older than k are not needed any more: when the last assertion before k signed has ended.
func (r *Ring) replaces(k ringKey) time.Time {
	return r.signsFrom(k).Add(assertionLife + r.cfg.ReloadInterval)
}

// patience is how much later than it should be a reload may count.
func (r *Ring) patience() time.Duration { return min(loadPatience, r.cfg.ReloadInterval) }
