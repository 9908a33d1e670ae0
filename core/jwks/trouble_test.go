package jwks_test

import (
	"errors"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartauth-go/smartauth/core/jwks"
)

// A directory that is not mounted looks like an empty one.
func TestOnlyCompromiseEmptiesARing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o := &store{}, &told{}
		s.add("1")
		r := must(jwks.NewRing(jwks.RingConfig{Load: s.load, OnError: o.onError}))
		keys := s.keys
		for _, none := range [][]jwks.RingKey{nil, {}} {
			s.set(func() { s.keys = none })
			time.Sleep(reload)
			use(t, "no keys", r, "1", "1")
			o.expect(t, "returned no keys")
			s.set(func() { s.keys = keys })
			time.Sleep(reload)
			use(t, "they are back", r, "1", "1")
			o.expect(t, "")
		}
		s.set(func() { s.keys = []jwks.RingKey{}; s.err = errors.New("half") })
		time.Sleep(reload)
		use(t, "no keys and an error", r, "1", "1")
		o.expect(t, "half")
	})
}

// One reload that fails and one that is slow are allowed for: a cache that keeps what it could get meanwhile knows the key.
func TestCachesKnowTheKeyThoughReloadsFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		s.add("1")
		config := jwks.RingConfig{Load: s.load, OnError: func(error) {}}
		r, other := must(jwks.NewRing(config)), must(jwks.NewRing(jwks.RingConfig{Load: s.load, OnError: func(error) {}}))
		get := func() (body, caching string) {
			w := httptest.NewRecorder()
			jwks.Handler(r, r.MaxAge()).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			return w.Body.String(), w.Header().Get("Cache-Control")
		}
		time.Sleep(time.Hour)
		use(t, "before", other, "1", "1")
		_, _ = get()
		s.add("2")
		added := time.Now()
		use(t, "the other looks later", other, "1", "1")
		time.Sleep(reload)
		use(t, "the other has it", other, "1", "1", "2")
		s.set(func() { s.err = errors.New("unreadable") })
		keys := s.keys
		s.set(func() { s.keys = nil })
		var lastCached time.Time
		for range 3 * 60 {
			time.Sleep(time.Second)
			switch body, caching := get(); {
			case strings.Contains(body, `"2"`):
				t.Fatal("how?")
			case caching == "public, max-age=300":
				lastCached = time.Now()
			case caching != "no-store":
				t.Fatalf("Cache-Control: %q", caching)
			}
		}
		if until := lastCached.Add(maxAge); !until.Before(added.Add(wait)) || lastCached.IsZero() {
			t.Errorf("a cache may lack the key until %v, and it signs from %v", until, added.Add(wait))
		}
		s.set(func() { s.keys, s.err = keys, nil })
		time.Sleep(reload / 4)
		if body, caching := get(); !strings.Contains(body, `"2"`) || caching != "public, max-age=300" {
			t.Errorf("soon after the trouble: %q %s", caching, body)
		}
		// Keys beside an error are published; whether they are all is not known.
		s.set(func() { s.err = errors.New("half") })
		time.Sleep(3 * reload)
		if _, caching := get(); caching != "no-store" {
			t.Errorf("half: %q", caching)
		}
	})
}

// A longer maxAge than the ring counts on would let caches lack a key that signs.
func TestHandlerKeepsToTheRing(t *testing.T) {
	s := &store{}
	s.add("1")
	r := must(jwks.NewRing(jwks.RingConfig{Load: s.load}))
	for given, want := range map[time.Duration]string{time.Hour: "public, max-age=300", time.Minute: "public, max-age=60", 0: "no-store"} {
		for _, src := range []jwks.Source{r, struct{ *jwks.Ring }{r}} {
			w := httptest.NewRecorder()
			jwks.Handler(src, given).ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
			if got := w.Header().Get("Cache-Control"); got != want {
				t.Errorf("%v: %q, want %q", given, got, want)
			}
		}
	}
}

func TestHandlerServesNoParts(t *testing.T) {
	key := jwks.KeyOf(newSigner("a"))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Range", "bytes=0-5")
	w := httptest.NewRecorder()
	jwks.Handler(jwks.Keys{key}, 0).ServeHTTP(w, r)
	if w.Code != 200 || w.Body.String() != string(must(jwks.Marshal(key))) || r.Header.Get("Range") == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// A ring that looks seldom believes no time before its last look, also if that is longer ago than an assertion lives.
func TestPublishedIsNotBelievedOfLongMaxAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		s.add("1")
		r := must(jwks.NewRing(jwks.RingConfig{Load: s.load, MaxAge: time.Hour}))
		time.Sleep(2 * time.Hour)
		use(t, "the last look", r, "1", "1")
		time.Sleep(50 * time.Minute)
		s.add("2")
		s.set(func() { s.keys[1].Published = time.Now().Add(-100 * time.Minute) })
		use(t, "caches may be from then", r, "1", "1", "2")
		time.Sleep(time.Hour)
		use(t, "an hour later", r, "1", "1", "2")
		time.Sleep(2 * time.Minute)
		use(t, "every cache knows it", r, "2", "1", "2")
	})
}

// What takes the place of a compromised key is, if possible, one that caches know.
func TestSuccessorOfACompromisedKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		s.add("1")
		r := must(jwks.NewRing(jwks.RingConfig{Load: s.load}))
		add := func(kid string) {
			s.add(kid)
			time.Sleep(reload)
			_ = r.KeyID()
		}
		compromise := func(kid string) {
			s.set(func() {
				i := slices.IndexFunc(s.keys, func(k jwks.RingKey) bool { return k.Signer.KeyID() == kid })
				s.keys[i].Compromised = true
			})
			time.Sleep(reload)
		}
		time.Sleep(time.Hour)
		add("2")
		time.Sleep(time.Hour)
		use(t, "1 is retired", r, "2", "2")
		add("3")
		time.Sleep(2 * time.Minute)
		add("4")
		use(t, "two wait", r, "2", "2", "3", "4")
		compromise("2")
		use(t, "the one that waits longest, and not the one that caches have forgotten", r, "3", "1", "3", "4")
		compromise("3")
		use(t, "the other one", r, "4", "1", "4")
		compromise("4")
		use(t, "the retired one, for want of another", r, "1", "1")
		add("5")
		time.Sleep(wait)
		use(t, "as always", r, "5", "1", "5")
		compromise("5")
		use(t, "the one before, of which an assertion may be on its way", r, "1", "1")
	})
}

// A key that will never sign is told of once, also when it is the file's time that is wrong.
func TestLateKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o := &store{}, &told{}
		s.add("1")
		time.Sleep(time.Hour)
		s.add("2")
		r := must(jwks.NewRing(jwks.RingConfig{Load: s.load, OnError: o.onError}))
		time.Sleep(time.Hour)
		use(t, "before", r, "2", "2")
		o.expect(t)
		s.add("3")
		s.set(func() { s.keys[2].Published = s.keys[1].Published.Add(-time.Minute) })
		for range 20 {
			time.Sleep(reload)
			_ = r.KeyID()
		}
		o.expect(t, `not used: "3"`)
		s.set(func() { s.keys[2].Published = time.Now() })
		time.Sleep(reload)
		_ = r.KeyID()
		o.expect(t, "")
		time.Sleep(wait)
		if got := r.KeyID(); got != "3" {
			t.Errorf("%s signs", got)
		}
	})
}

// A Load that ends its goroutine must not be the last.
func TestLoadEndsItsGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o := &store{}, &told{}
		s.add("1")
		r := must(jwks.NewRing(jwks.RingConfig{Load: s.load, OnError: func(err error) { o.onError(err); runtime.Goexit() }}))
		s.set(func() { s.hook = runtime.Goexit })
		time.Sleep(reload)
		use(t, "as it was", r, "1", "1")
		o.expect(t, "ended its goroutine")
		s.set(func() { s.hook = nil })
		s.add("2")
		time.Sleep(reload)
		use(t, "loaded again", r, "1", "1", "2")
		o.expect(t, "")
	})
}

// A health check learns of trouble though no request comes.
func TestErrLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o := &store{}, &told{}
		s.add("1")
		r := must(jwks.NewRing(jwks.RingConfig{Load: s.load, OnError: o.onError}))
		s.set(func() { s.err = errors.New("half") })
		time.Sleep(reload)
		if err := r.Err(); err == nil {
			t.Error("no error")
		}
		s.set(func() { s.err = nil })
		time.Sleep(reload / 4) // sooner than without an error
		if err := r.Err(); err != nil {
			t.Error(err)
		}
	})
}
