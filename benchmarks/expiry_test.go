package benchmarks

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Two thousand calls a second, through the life of a token and past its end, to a token endpoint that takes 200 ms.
func TestExpiryCrossing(t *testing.T) {
	for _, name := range peerNames {
		t.Run("peer="+name, func(t *testing.T) {
			var held, longest atomic.Int64
			run := func(t *testing.T, inMemory bool, lifetime, watch time.Duration) {
				w := newWorld(t, worldOptions{inMemory: inMemory, delay: 200 * time.Millisecond, lifetime: lifetime})
				p := newPeer(t, w, name)
				if err := p.token(t.Context()); err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				begin := time.Now()
				for n := range int(watch.Seconds() * 2000) {
					time.Sleep(time.Until(begin.Add(time.Duration(n) * time.Second / 2000)))
					wg.Go(func() {
						call := time.Now()
						if err := p.token(t.Context()); err != nil {
							t.Error(err)
						}
						if d := time.Since(call); d > 10*time.Millisecond {
							held.Add(1)
							for l := longest.Load(); int64(d) > l && !longest.CompareAndSwap(l, int64(d)); l = longest.Load() {
							}
						}
					})
				}
				wg.Wait()
				if w.requests.Load() < 2 {
					t.Error("the token was not renewed")
				}
			}
			if name == "oauth2" { // see waitsOnMutex; it renews a token 10 s before its end
				run(t, false, 12*time.Second, 3*time.Second)
			} else {
				synctest.Test(t, func(t *testing.T) { run(t, true, 300*time.Second, 310*time.Second) })
			}
			figure(t, "held", held.Load(), 0)
			figure(t, "longest-ms", longest.Load()/int64(time.Millisecond), 10)
		})
	}
}

// Ten calls a second for an hour, with tokens of 120 s and a token endpoint that takes 50 ms.
func TestShortTokens(t *testing.T) {
	for _, name := range peerNames {
		t.Run("peer="+name, func(t *testing.T) {
			var requests int64
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, worldOptions{inMemory: true, delay: 50 * time.Millisecond, lifetime: 120 * time.Second})
				p := newPeer(t, w, name)
				for begin := time.Now(); time.Since(begin) < time.Hour; time.Sleep(100 * time.Millisecond) {
					if err := p.token(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				synctest.Wait()
				requests = w.requests.Load()
			})
			figure(t, "requests", requests, 40) // 30 lifetimes by 1.35
		})
	}
}
