package smartauth_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

// sandbox starts a Koppeltaal sandbox in memory and returns it with a Source for a client of it. change may be nil.
func sandbox(t *testing.T, change func(*smartauth.Config)) (*smarttest.Server, *smartauth.Source) {
	t.Helper()
	return sandboxWith(t, smarttest.Options{InMemory: true}, change)
}

func sandboxWith(t *testing.T, opts smarttest.Options, change func(*smartauth.Config)) (*smarttest.Server, *smartauth.Source) {
	t.Helper()
	srv := smarttest.New(t, opts)
	if opts.InMemory { // a refresh may be under way when the test ends, and the bubble must not end before it
		t.Cleanup(func() { time.Sleep(time.Minute) })
	}
	cfg := srv.NewClient(smarttest.ClientOptions{})
	if change != nil {
		change(&cfg)
	}
	src, err := smartauth.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return srv, src
}

type result struct {
	token *smartauth.Token
	err   error
}

// herd calls f n times at once.
func herd(n int, f func() (*smartauth.Token, error)) []result {
	results := make([]result, n)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() { results[i].token, results[i].err = f() })
	}
	wg.Wait()
	return results
}

// recorder is an Observer that remembers.
type recorder struct {
	mu      sync.Mutex
	starts  []start
	ends    []end
	changes []smartauth.StateChange
}

type start struct {
	smartauth.PhaseStart
	ctx context.Context
	at  time.Time
	id  int
}

type end struct {
	smartauth.PhaseEnd
	id int // of its start
}

type phaseID struct{}

func (r *recorder) PhaseStart(ctx context.Context, s smartauth.PhaseStart) context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := len(r.starts)
	r.starts = append(r.starts, start{s, ctx, time.Now(), id})
	return context.WithValue(ctx, phaseID{}, id)
}

func (r *recorder) PhaseEnd(ctx context.Context, e smartauth.PhaseEnd) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ends = append(r.ends, end{e, ctx.Value(phaseID{}).(int)})
}

func (r *recorder) StateChanged(_ context.Context, c smartauth.StateChange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changes = append(r.changes, c)
}

func (r *recorder) started() []start {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.starts
}

// states returns what was told, also what is being told just now: callers of Token do not wait for that.
func (r *recorder) states() []smartauth.State {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	var s []smartauth.State
	for _, c := range r.changes {
		s = append(s, c.State)
	}
	return s
}

// poll calls Token once a second.
func poll(t *testing.T, src *smartauth.Source, d time.Duration) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < d; time.Sleep(time.Second) {
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
