package jwks

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// upToDate returns the keys, loaded anew if it is time for that.
func (r *Ring) upToDate(now time.Time) []RingKey {
	r.mu.Lock()
	var tell func()
	if !now.Before(r.loaded.Add(r.cfg.ReloadInterval)) {
		r.loaded = now
		keys, err := r.load()
		if err == nil {
			r.keys = keys
		}
		if text(err) != text(r.err) {
			tell = func() { r.cfg.OnError(err) }
		}
		r.err = err
	}
	keys := r.keys
	r.mu.Unlock()
	if tell != nil {
		tell()
	}
	return keys
}

// load returns the keys that may be used, the oldest first.
func (r *Ring) load() ([]RingKey, error) {
	keys, err := r.cfg.Load()
	if err != nil {
		return nil, err
	}
	keys = slices.Clone(keys)
	public := make([]Key, len(keys))
	for i, k := range keys {
		if k.Signer == nil {
			return nil, fmt.Errorf("jwks: key %d has no Signer", i)
		}
		public[i] = KeyOf(k.Signer)
	}
	if _, err := Marshal(public...); err != nil { // of what cannot be published nobody could use the signatures
		return nil, err
	}
	slices.SortFunc(keys, func(a, b RingKey) int {
		if c := a.Published.Compare(b.Published); c != 0 {
			return c
		}
		return strings.Compare(a.Signer.KeyID(), b.Signer.KeyID()) // files of the same second
	})
	return slices.DeleteFunc(keys, func(k RingKey) bool { return k.Compromised }), nil
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func logError(err error) {
	if err != nil {
		slog.Error("the keys cannot be loaded; those from before stay in use", "error", err)
	} else {
		slog.Info("the keys can be loaded again")
	}
}
