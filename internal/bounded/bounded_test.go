package bounded_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartauth-go/smartauth/internal/bounded"
)

func TestDo(t *testing.T) {
	own := errors.New("own")
	for _, c := range []struct {
		name  string
		grace time.Duration
		do    func(context.Context) (int, error)
		value int
		is    error
		text  string
		after time.Duration
	}{
		{"returns", 0, func(context.Context) (int, error) { return 1, own }, 1, own, "own", 0},
		{"heeds no context", 0, func(context.Context) (int, error) { time.Sleep(time.Minute); return 1, nil }, 0, context.DeadlineExceeded,
			"the KMS did not answer in time", time.Second},
		{"says no more than that its context ended", time.Minute, func(ctx context.Context) (int, error) { <-ctx.Done(); return 0, ctx.Err() }, 0,
			context.DeadlineExceeded, "the KMS did not answer in time", time.Second},
		{"a context of its own ended", 0, func(context.Context) (int, error) { return 0, context.DeadlineExceeded }, 0,
			context.DeadlineExceeded, "context deadline exceeded", 0},
		{"says more than that its context ended", time.Millisecond, func(ctx context.Context) (int, error) { <-ctx.Done(); return 1, own }, 1, own, "own", time.Second},
		{"returns within the grace", time.Second, func(context.Context) (int, error) { time.Sleep(1500 * time.Millisecond); return 1, nil }, 1, nil, "", 1500 * time.Millisecond},
		{"returns too late", time.Second, func(context.Context) (int, error) { time.Sleep(3 * time.Second); return 1, nil }, 0, context.DeadlineExceeded,
			"the KMS did not answer in time", 2 * time.Second},
		{"panics", 0, func(context.Context) (int, error) { panic("a secret") }, 0, nil, "panic in the KMS (string)", 0},
		{"ends its goroutine", 0, func(context.Context) (int, error) { runtime.Goexit(); return 1, nil }, 0, nil, "the KMS ended its goroutine", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				defer time.Sleep(time.Minute) // until what was left to itself has ended
				began := time.Now()
				value, err := bounded.Do(ctx, "KMS", c.grace, func() (int, error) { return c.do(ctx) })
				if value != c.value || time.Since(began) != c.after {
					t.Errorf("%d after %v, want %d after %v", value, time.Since(began), c.value, c.after)
				}
				if c.is != nil && !errors.Is(err, c.is) || (err == nil) != (c.text == "") || err != nil && !strings.HasPrefix(err.Error(), c.text) {
					t.Errorf("error %v, want %q", err, c.text)
				}
			})
		})
	}
}

// A runtime.Error quotes no values of the program; others may.
func TestPanic(t *testing.T) {
	defer func() {
		err := bounded.Panic("KMS", recover())
		var r runtime.Error
		if !errors.As(err, &r) {
			t.Errorf("error %v, want a runtime.Error in it", err)
		}
	}()
	var none []int
	_ = none[len(none)]
}
