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
	// a key that is older than the one that signs is not used. A ring does not believe a time before its last look at the keys,
	// if that was within 300 s, and waits as if the key had come now.
	Published time.Time

	// Compromised withdraws the key now: it signs nothing and is not published any more.
	Compromised bool
}

// ringKey is one that may be used.
type ringKey struct {
	RingKey
	since time.Time // it is published: Published, if that can be believed
}

// RingConfig says where the keys of a [Ring] come from. Load is required.
type RingConfig struct {
	// Load returns all keys: see [Directory]. It is called by NewRing and then when the ring is used and ReloadInterval has
	// passed, never twice at once. With an error alone the ring stays as it was. Keys beside an error count. After 2 s the users
	// of the ring go on with the keys from before.
	Load func() ([]RingKey, error)

	// MaxAge is the longest that a cache may keep the JWKS: the one that [Handler] is given. If it is made shorter, what was
	// served before counts until then. 0 means 5 minutes.
	MaxAge time.Duration

	// ReloadInterval is how long it takes at most until a change of the keys is seen by all that publish them. 0 means 30 s.
	ReloadInterval time.Duration

	// OnError is told what keeps the keys from being loaded, or that none is left: once for each different error, and, with nil,
	// when all is well again. The ring makes no other call of Load meanwhile. Nil means package slog's default logger.
	OnError func(error)
}

// A Ring is a Signer over several keys of which one signs, and a [Source] of those to publish. A new key is published at once
// and signs once every cache must know it: MaxAge and ReloadInterval after it was published. The first one signs at once. The
// old one stays published for as long as an assertion of its may be on its way: 300 s and ReloadInterval. All that load the
// same keys agree, as long as their clocks do. There is nothing to close; all methods may be called from any goroutine.
type Ring struct {
	cfg RingConfig

	mu      sync.Mutex // never held across Load or OnError
	keys    []ringKey  // the oldest first, without the compromised
	active  string     // the kid of the key that signs
	loading *loading   // nil if no Load is under way
	loaded  time.Time  // when the last Load began
	looked  time.Time  // when the last one whose keys count began
	err     error      // of the last load
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
	if err == nil {
		r.keys, err = r.merge(loaded, nil, now)
	}
	if err != nil {
		return nil, fmt.Errorf("jwks: NewRing: %w", err)
	}
	r.loaded = now
	return r, nil
}

// MaxAge returns RingConfig.MaxAge, for [Handler].
func (r *Ring) MaxAge() time.Duration { return r.cfg.MaxAge }

// Err returns what OnError was told last: nil if all is well.
func (r *Ring) Err() error {
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
	r.refresh()
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.signing(now)
	var public []Key
	for i, k := range r.keys {
		replaced := slices.ContainsFunc(r.keys[i+1:], func(newer ringKey) bool { return !now.Before(r.replaces(newer)) })
		if !replaced || k.Signer.KeyID() == r.active {
			public = append(public, KeyOf(k.Signer))
		}
	}
	return public, nil
}

// signing returns the key that signs, nil if there is none. It does not give way to an older one again, if the clock is set back
// or its file touched: others may have withdrawn that. The caller holds r.mu.
func (r *Ring) signing(now time.Time) smartauth.PublicSigner {
	if len(r.keys) == 0 {
		return nil
	}
	i := len(r.keys) - 1
	for ; i > 0; i-- {
		if k := r.keys[i]; !now.Before(r.signsFrom(k)) || k.Signer.KeyID() == r.active {
			break
		}
	}
	r.active = r.keys[i].Signer.KeyID()
	return r.keys[i].Signer
}

// signsFrom returns when every cache must know a key that is not the first.
func (r *Ring) signsFrom(k ringKey) time.Time {
	return k.since.Add(r.cfg.MaxAge + r.cfg.ReloadInterval)
}

// replaces returns when keys older than k are not needed any more: when the last assertion before k signed has ended.
func (r *Ring) replaces(k ringKey) time.Time {
	return r.signsFrom(k).Add(assertionLife + r.cfg.ReloadInterval)
}
