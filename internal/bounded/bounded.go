// Package bounded waits for code of others no longer than a context lasts.
package bounded

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// Do returns what do returns, which is the code of who, such as "HTTP client". It may heed no context: if it has not returned
// within grace after ctx ends, it is left to itself, and the error wraps that of ctx. So do must not write to what others read. A
// panic in it becomes the error of [Panic].
func Do[T any](ctx context.Context, who string, grace time.Duration, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		r := result{err: fmt.Errorf("the %s ended its goroutine", who)}
		defer func() {
			if p := recover(); p != nil {
				r = result{err: Panic(who, p)}
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
		return none, fmt.Errorf("the %s did not answer in time: %w", who, ctx.Err())
	}
}

// Panic tells where a panic came from and, as its value might hold a secret, no more than its type.
func Panic(who string, p any) error {
	if err, ok := p.(runtime.Error); ok {
		return fmt.Errorf("panic in the %s: %w", who, err)
	}
	return fmt.Errorf("panic in the %s (%T)", who, p)
}
