package koppeltaal

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// grace is for code that heeds its context and has more to say than that it ended.
const grace = 100 * time.Millisecond

// bounded returns what do returns. It may be code that heeds no context: if it has not returned when ctx ends, or soon after, it is
// abandoned, and the error is that of ctx. So it must not write to what others read. A panic becomes an error without its value,
// which might hold a secret.
func bounded[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		r := result{err: errors.New("the HTTP client ended its goroutine")}
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("panic in the HTTP client (%T)", p)
				if err, ok := p.(runtime.Error); ok {
					r.err = fmt.Errorf("panic in the HTTP client: %w", err)
				}
			}
			done <- r
		}()
		r.value, r.err = do()
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case r := <-done:
		return r.value, r.err
	case <-timer.C:
		var none T
		return none, ctx.Err()
	}
}
