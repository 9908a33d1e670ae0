// Package bounded waits for code of others no longer than a context lasts.
package bounded

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"
)

// Do calls do and returns what that returns. Errors name its owner by who, such as "HTTP client". As do may ignore its context,
// Do leaves it running if it has not returned within grace after ctx ends: the error then says so and wraps ctx.Err(). It is the
// same error if do returns ctx.Err() alone, since it is chance which comes first. So do must not write to what others read. A
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
		if r.value, r.err = do(); r.err != nil && errors.Is(ctx.Err(), r.err) { // not one that wraps it: that says more
			r.err = late(ctx, who)
		}
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
		return none, late(ctx, who)
	}
}

func late(ctx context.Context, who string) error {
	return fmt.Errorf("the %s did not answer in time: %w", who, ctx.Err())
}

// Panic tells where a panic came from and, as its value might hold a secret, no more than its type.
func Panic(who string, p any) error {
	if err, ok := p.(runtime.Error); ok {
		return fmt.Errorf("panic in the %s: %w", who, err)
	}
	return fmt.Errorf("panic in the %s (%T)", who, p)
}
