package benchmarks

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

const (
	coldHerd  = 10_000
	coldDelay = 50 * time.Millisecond
)

// herd makes a call of each of n goroutines at once, and returns their errors.
func herd(n int, call func() error) []error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() { errs[i] = call() })
	}
	wg.Wait()
	return errs
}

// coldHerdOf returns what one of a herd calls. The floor is a request behind a sync.Once, without a signature.
func coldHerdOf(tb testing.TB, w *world, name string) func() error {
	ctx := tb.Context()
	if name == "floor" {
		once := sync.OnceValue(func() error { _, err := provider{w}.Token(ctx); return err })
		return once
	}
	p := newPeer(tb, w, name)
	return func() error { return p.token(ctx) }
}

func BenchmarkColdHerd(b *testing.B) {
	w := newWorld(b, worldOptions{})
	w.elsewhere(b, coldDelay)
	for _, name := range inTurn(append([]string{"floor"}, peerNames...)) {
		b.Run("peer="+name, func(b *testing.B) {
			before := w.tokenRequests(b)
			for b.Loop() {
				b.StopTimer()
				call := coldHerdOf(b, w, name)
				b.StartTimer()
				for _, err := range herd(coldHerd, call) {
					if err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(w.tokenRequests(b)-before)/float64(b.N), "requests/op")
		})
	}
}

func TestColdHerd(t *testing.T) {
	for _, name := range peerNames {
		t.Run("peer="+name, func(t *testing.T) {
			w := newWorld(t, worldOptions{delay: coldDelay, lifetime: tokenLifetime})
			for _, err := range herd(coldHerd, coldHerdOf(t, w, name)) {
				if err != nil {
					t.Fatal(err)
				}
			}
			figure(t, "requests", w.requests.Load(), 1)
		})
	}
}

// Two hundred callers come at once, to a token endpoint that takes 50 ms to answer 503.
func TestHerdAgainst503(t *testing.T) {
	for _, name := range peerNames {
		t.Run("peer="+name, func(t *testing.T) {
			var requests, distinct int64
			var took time.Duration
			run := func(t *testing.T, inMemory bool) {
				w := newWorld(t, worldOptions{inMemory: inMemory, delay: coldDelay, status: http.StatusServiceUnavailable})
				p, begin := newPeer(t, w, name), time.Now()
				seen := make(map[error]bool)
				for _, err := range herd(200, func() error { return p.token(t.Context()) }) {
					if err == nil {
						t.Error("a caller got a token")
					}
					seen[err] = true
				}
				requests, distinct, took = w.requests.Load(), int64(len(seen)), time.Since(begin)
			}
			if waitsOnMutex(name) {
				t.Parallel() // they take 10 s each
				run(t, false)
			} else {
				synctest.Test(t, func(t *testing.T) { run(t, true) })
			}
			figure(t, "requests", requests, 3)
			figure(t, "errors", distinct, 1)
			t.Attr("seconds", fmt.Sprintf("%.1f", took.Seconds()))
		})
	}
}
