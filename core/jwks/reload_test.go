package jwks_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/jwks"
)

func TestLoadFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o := &store{}, &told{}
		s.add("1")
		r := must(jwks.NewRing(jwks.RingConfig{Load: s.load, OnError: o.onError}))
		fail := func(err error) { s.set(func() { s.keys, s.err = nil, err }) }
		before := s.keys

		fail(errors.New("unreadable"))
		for range 5 {
			time.Sleep(reload)
			use(t, "as it was", r, "1", "1")
		}
		o.expect(t, "unreadable")
		if r.Err() == nil {
			t.Error("no Err")
		}
		fail(errors.New("gone"))
		time.Sleep(reload)
		use(t, "as it was", r, "1", "1")
		o.expect(t, "gone")
		s.set(func() { s.hook = func() { panic("marker") } })
		time.Sleep(reload)
		use(t, "as it was", r, "1", "1")
		o.expect(t, "panic in RingConfig.Load (string)")
		s.set(func() { s.hook, s.keys, s.err = nil, before, nil })
		time.Sleep(reload)
		use(t, "healed", r, "1", "1")
		o.expect(t, "")
		if r.Err() != nil {
			t.Error(r.Err())
		}

		// What could be loaded beside an error counts.
		s.set(func() { s.err = errors.New("half") })
		s.add("2")
		time.Sleep(reload)
		use(t, "half", r, "1", "1", "2")
		o.expect(t, "half")
	})
}

// A file server that hangs must not hang everybody, nor is Load called once more.
func TestLoadHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o := &store{}, &told{}
		s.add("1")
		r := must(jwks.NewRing(jwks.RingConfig{Load: s.load, OnError: o.onError}))
		stop := make(chan struct{})
		var calls atomic.Int32
		s.set(func() { s.hook = func() { calls.Add(1); <-stop } })
		time.Sleep(reload)
		begin := time.Now()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { use(t, "hanging", r, "1", "1") })
		}
		wg.Wait()
		if took := time.Since(begin); took != 2*time.Second {
			t.Errorf("took %v", took)
		}
		time.Sleep(time.Hour)
		begin = time.Now()
		use(t, "an hour later", r, "1", "1")
		if time.Since(begin) != 0 || calls.Load() != 1 {
			t.Errorf("took %v, %d calls", time.Since(begin), calls.Load())
		}
		o.expect(t, "longer than 2s")
		s.add("2")
		close(stop)
		synctest.Wait()
		use(t, "healed", r, "1", "1", "2")
		o.expect(t, "")
	})
}

// A slow Load is waited for, as its keys may be the ones that matter.
func TestLoadIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, o := &store{}, &told{}
		s.add("1")
		r := must(jwks.NewRing(jwks.RingConfig{Load: s.load, OnError: o.onError}))
		s.set(func() { s.hook = func() { time.Sleep(1900 * time.Millisecond) } })
		s.add("2")
		time.Sleep(reload)
		use(t, "slow", r, "1", "1", "2")
		o.expect(t)
	})
}

func TestOnErrorMayUseTheRing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := quiet(t)
		s := &store{}
		s.add("1")
		var r *jwks.Ring
		r = must(jwks.NewRing(jwks.RingConfig{Load: s.load, OnError: func(error) {
			use(t, "in OnError", r, "1", "1")
			panic("marker")
		}}))
		s.set(func() { s.keys, s.err = nil, errors.New("no") })
		for range 3 {
			time.Sleep(reload)
			use(t, "after", r, "1", "1")
		}
		synctest.Wait()
		if strings.Count(log.String(), "panic in RingConfig.OnError (string)") != 1 {
			t.Errorf("logged %s", log)
		}
	})
}

func TestErrorsAreLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := quiet(t)
		s := &store{}
		s.add("1")
		r := must(jwks.NewRing(jwks.RingConfig{Load: s.load}))
		s.set(func() { s.err = errors.New("unreadable") })
		for range 3 {
			time.Sleep(reload)
			_ = r.KeyID()
		}
		s.set(func() { s.err = nil })
		time.Sleep(reload)
		_ = r.KeyID()
		synctest.Wait()
		if lines := strings.Split(strings.TrimSpace(log.String()), "\n"); len(lines) != 2 ||
			!strings.Contains(lines[0], "level=ERROR") || !strings.Contains(lines[0], "unreadable") || !strings.Contains(lines[1], "level=INFO") {
			t.Errorf("logged %s", log)
		}
	})
}

// Fifty goroutines over rotations: every assertion names the key that it is signed with. Asking the ring for the kid and then for
// the signature would not do.
func TestAssertionsHaveTheirKid(t *testing.T) {
	s := &store{}
	signers := sync.Map{}
	add := func(i int) {
		kid := fmt.Sprint(i)
		signer := newSigner(kid)
		signers.Store(kid, signer)
		s.set(func() {
			s.keys = append(s.keys[max(0, len(s.keys)-5):], jwks.RingKey{Signer: signer, Published: time.Now()})
		})
	}
	add(0)
	r := must(jwks.NewRing(jwks.RingConfig{Load: s.load, MaxAge: time.Microsecond, ReloadInterval: time.Millisecond}))
	src := must(smartauth.New(smartauth.Config{BaseURL: "https://fhir.example.nl", ClientID: "app", Signer: r,
		TokenURL: "https://auth.example.nl/token"}))
	var wg sync.WaitGroup
	seen := sync.Map{}
	for g := range 50 {
		wg.Go(func() {
			for i := range 400 {
				if g == 0 && i%5 == 0 {
					add(i + 1)
				}
				assertion, err := src.Assertion(t.Context(), "https://auth.example.nl/token")
				if err != nil {
					t.Error(err)
					return
				}
				seen.Store(verify(t, assertion, &signers), nil)
				_ = kids(r)
			}
		})
	}
	wg.Wait()
	n := 0
	seen.Range(func(any, any) bool { n++; return true })
	if n < 5 {
		t.Errorf("only %d keys have signed", n)
	}
}
