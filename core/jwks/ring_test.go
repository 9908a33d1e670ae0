package jwks_test

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
)

// store is a [jwks.RingConfig].Load of keys that the test changes.
type store struct {
	mu   sync.Mutex
	keys []jwks.RingKey
	err  error
	hook func() // called by load
}

func (s *store) load() ([]jwks.RingKey, error) {
	s.mu.Lock()
	hook := s.hook
	s.mu.Unlock()
	if hook != nil {
		hook()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.keys), s.err
}

func (s *store) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *store) add(kid string) {
	s.set(func() { s.keys = append(s.keys, jwks.RingKey{Signer: newSigner(kid), Published: time.Now()}) })
}

func (s *store) remove(kid string) {
	s.set(func() {
		s.keys = slices.DeleteFunc(s.keys, func(k jwks.RingKey) bool { return k.Signer.KeyID() == kid })
	})
}

// told is an OnError that remembers.
type told struct {
	mu   sync.Mutex
	errs []error
}

func (o *told) onError(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.errs = append(o.errs, err)
}

// expect fails the test unless OnError was told, since the last time, errors with these words; "" stands for nil.
func (o *told) expect(t *testing.T, words ...string) {
	t.Helper()
	synctest.Wait()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.errs) != len(words) {
		t.Fatalf("told %v, want %q", o.errs, words)
	}
	for i, w := range words {
		if err := o.errs[i]; (w == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), w) {
			t.Errorf("told %v, want one about %q", err, w)
		}
	}
	o.errs = nil
}

// use fails the test unless kid signs and these are published.
func use(t *testing.T, when string, r *jwks.Ring, kid string, published ...string) {
	t.Helper()
	if got := r.KeyID(); got != kid {
		t.Errorf("%s: %q signs, want %q", when, got, kid)
	}
	if got := kids(r); !slices.Equal(got, published) {
		t.Errorf("%s: %q are published, want %q", when, got, published)
	}
	if (kid == "") != (r.Current() == nil) {
		t.Errorf("%s: Current is %v", when, r.Current())
	}
}

const (
	maxAge = 5 * time.Minute
	reload = 30 * time.Second
	wait   = maxAge + 2*reload + 2*time.Second // until a new key signs
)

func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		s.add("1")
		r, err := jwks.NewRing(jwks.RingConfig{Load: s.load})
		if err != nil {
			t.Fatal(err)
		}
		if r.MaxAge() != maxAge {
			t.Errorf("MaxAge %v", r.MaxAge())
		}
		use(t, "the first, at once", r, "1", "1")

		time.Sleep(time.Hour)
		s.add("2")
		time.Sleep(reload)
		use(t, "a new one is published", r, "1", "1", "2")
		time.Sleep(wait - reload - time.Nanosecond)
		use(t, "until every cache must know it", r, "1", "1", "2")
		time.Sleep(time.Nanosecond)
		use(t, "then it signs", r, "2", "1", "2")
		time.Sleep(300*time.Second + reload - time.Nanosecond)
		use(t, "while an assertion of the old one may be on its way", r, "2", "1", "2")
		time.Sleep(time.Nanosecond)
		use(t, "and no longer", r, "2", "2")

		s.add("3")
		s.add("4") // at the same time: the later is the newer
		time.Sleep(wait)
		use(t, "two at once", r, "4", "2", "3", "4")
		time.Sleep(time.Hour)
		use(t, "an hour later", r, "4", "4")
	})
}

// The order of the list means nothing where the times differ.
func TestOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		s.add("1")
		time.Sleep(time.Hour)
		s.add("2")
		s.set(func() { slices.Reverse(s.keys) })
		r := must(jwks.NewRing(jwks.RingConfig{Load: s.load}))
		use(t, "a start during a rotation", r, "1", "1", "2")
		time.Sleep(time.Hour)
		use(t, "after it", r, "2", "2")
		use(t, "a start after it", must(jwks.NewRing(jwks.RingConfig{Load: s.load})), "2", "2")
	})
}

func TestCompromised(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o := &store{}, &told{}
		s.add("1")
		r := must(jwks.NewRing(jwks.RingConfig{Load: s.load, OnError: o.onError}))
		time.Sleep(time.Hour)
		s.add("2")
		time.Sleep(7 * time.Minute)
		use(t, "before", r, "2", "1", "2")
		compromise := func(i int) { s.set(func() { s.keys[i].Compromised = true }) }
		compromise(1)
		time.Sleep(reload)
		use(t, "the new one", r, "1", "1")
		o.expect(t)

		compromise(0)
		time.Sleep(reload)
		use(t, "both", r, "")
		if _, err := r.Sign(t.Context(), "ES256", nil); err == nil || r.Err() == nil {
			t.Errorf("%v, %v: signed with nothing", err, r.Err())
		}
		o.expect(t, "no key left")

		s.add("3")
		time.Sleep(reload)
		use(t, "another", r, "3", "3")
		o.expect(t, "")
		if sig, err := r.Sign(t.Context(), "ES256", []byte("x")); err != nil || len(sig) != 64 || !slices.Equal(r.Algorithms(), []string{"ES256"}) {
			t.Errorf("%d bytes, %v", len(sig), err)
		}
		s.set(func() { s.keys[1].Compromised = false }) // by mistake, or by somebody who should not
		time.Sleep(reload)
		use(t, "taken back, it is the older", r, "3", "2", "3")
		time.Sleep(time.Hour)
		use(t, "an hour later", r, "3", "3")
	})
}

// A time from before the last look is not true: the key would sign before caches know it, or an old one would sign again.
func TestPublishedIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		s.add("1")
		r := must(jwks.NewRing(jwks.RingConfig{Load: s.load}))
		time.Sleep(time.Hour)
		use(t, "before", r, "1", "1")

		time.Sleep(reload)
		s.add("2")
		s.set(func() { s.keys[1].Published = time.Now().Add(-50 * time.Minute) }) // moved with the time of its making
		use(t, "at once", r, "1", "1", "2")
		time.Sleep(wait - time.Nanosecond)
		use(t, "until every cache must know it", r, "1", "1", "2")
		time.Sleep(time.Nanosecond)
		use(t, "then", r, "2", "1", "2")

		time.Sleep(time.Hour)
		s.set(func() { s.keys[1].Published = time.Now() }) // touched
		time.Sleep(reload)
		use(t, "a file that was touched signs on", r, "2", "1", "2")
		time.Sleep(time.Hour)
		use(t, "later", r, "2", "2")

		s.add("3")
		s.set(func() { s.keys[2].Published = s.keys[1].Published.Add(-time.Minute) })
		time.Sleep(reload)
		use(t, "an older one is no successor", r, "2", "2")
	})
}

func TestSameKidForAnotherKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o := &store{}, &told{}
		s.add("1")
		r := must(jwks.NewRing(jwks.RingConfig{Load: s.load, OnError: o.onError}))
		before := r.Current()
		s.remove("1")
		s.add("1")
		time.Sleep(reload)
		if r.Current() != before {
			t.Error("the other key signs, of which caches do not know")
		}
		o.expect(t, `kid "1" now names another key`)
	})
}

// Nothing that keys may be wrong by stands in the way of withdrawing others.
func TestBadKeysStayOut(t *testing.T) {
	for words, bad := range map[string][]jwks.RingKey{
		`two keys with kid "3"`: {{Signer: newSigner("3")}, {Signer: newSigner("3")}},
		"has no Signer":         {{}},
		"a key without kid":     {{Signer: nameless{newSigner("x")}}},
	} {
		t.Run(words, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, o := &store{}, &told{}
				s.add("1")
				s.add("2")
				if _, err := jwks.NewRing(jwks.RingConfig{Load: func() ([]jwks.RingKey, error) { return bad, nil }}); err == nil {
					t.Error("a new ring took it")
				}
				r := must(jwks.NewRing(jwks.RingConfig{Load: s.load, OnError: o.onError}))
				time.Sleep(time.Hour)
				use(t, "before", r, "2", "2")
				s.set(func() { s.keys = append(s.keys, bad...) })
				time.Sleep(reload)
				use(t, "with it", r, "2", "2")
				s.set(func() { s.keys[1].Compromised = true })
				time.Sleep(reload)
				use(t, "compromised", r, "1", "1")
				s.set(func() { s.keys = s.keys[:2] })
				time.Sleep(reload)
				use(t, "without it", r, "1", "1")
				o.expect(t, words, "")
			})
		})
	}
}

type nameless struct{ smartauth.PublicSigner }

func (nameless) KeyID() string { return "" }

func TestNewRingRefuses(t *testing.T) {
	one := func() ([]jwks.RingKey, error) { return []jwks.RingKey{{Signer: newSigner("1")}}, nil }
	for name, c := range map[string]jwks.RingConfig{
		"no Load":         {},
		"negative MaxAge": {Load: one, MaxAge: -1},
		"negative reload": {Load: one, ReloadInterval: -1},
		"an error":        {Load: func() ([]jwks.RingKey, error) { return nil, errors.New("no") }},
		"an error beside a key": {Load: func() ([]jwks.RingKey, error) {
			keys, _ := one()
			return keys, errors.New("no")
		}},
		"no keys": {Load: func() ([]jwks.RingKey, error) { return nil, nil }},
		"all compromised": {Load: func() ([]jwks.RingKey, error) {
			return []jwks.RingKey{{Signer: newSigner("1"), Compromised: true}}, nil
		}},
		"a panic": {Load: func() ([]jwks.RingKey, error) { panic("no") }},
	} {
		if _, err := jwks.NewRing(c); err == nil || !strings.HasPrefix(err.Error(), "jwks: NewRing: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
