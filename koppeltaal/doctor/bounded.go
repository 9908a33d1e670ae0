package doctor

import (
	"context"
	"errors"
	"fmt"
)

// bounded returns what do returns, or the error of ctx: a RoundTripper or a Signer may heed no context, and is then left to itself.
// So do must not write to what others read.
func bounded[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		r := result{err: errors.New("it ended its goroutine")}
		defer func() {
			if p := recover(); p != nil {
				r.err = fmt.Errorf("panic (%T)", p) // its value might hold a secret
			}
			done <- r
		}()
		r.value, r.err = do()
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
