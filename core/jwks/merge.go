package jwks

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

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
