package smartauth_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
)

func TestInvalidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		first, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		src.Invalidate(nil)
		src.Invalidate(smartauth.NewToken(first.AccessToken(), first.Expiry()))
		if got, _ := src.Token(t.Context()); got != first {
			t.Fatal("another token than the current one was invalidated, and the current one went")
		}
		src.Invalidate(first)
		second, err := src.Token(t.Context())
		if err != nil || second == first {
			t.Fatalf("got %v, %v, want another token", second, err)
		}
		for range 100 {
			src.Invalidate(first)
		}
		if got, _ := src.Token(t.Context()); got != second {
			t.Error("reports about the token before took away the current one")
		}

		for range 1000 { // a server that refuses everything
			token, err := src.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			src.Invalidate(token)
		}
		if n := srv.Counts().TokenRequests; n != 4 {
			t.Errorf("%d token requests, want the first and three renewals", n)
		}
		for _, c := range []struct {
			after time.Duration
			renew bool
		}{{5 * time.Second, false}, {2500 * time.Millisecond, false}, {1250 * time.Millisecond, false}, {625 * time.Millisecond, false},
			{625 * time.Millisecond, true}, {0, false}, {time.Minute, true}, {0, true}, {0, true}, {0, false}} {
			time.Sleep(c.after)
			current, err := src.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			src.Invalidate(current)
			if got, err := src.Token(t.Context()); err != nil || (got != current) != c.renew {
				t.Errorf("%v later: %v, %v; one renewal is due every 10 s, and three at most: want one now: %v", c.after, got, err, c.renew)
			}
		}
	})
}

func TestOutageDoesNotUseUpTheRenewals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		token, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
		for range 100 {
			src.Invalidate(token)
		}
		if _, err := src.Token(t.Context()); err != nil {
			t.Fatal(err)
		}
		srv.Clear()
		time.Sleep(5 * time.Second)
		for range 2 {
			src.Invalidate(token)
			poll(t, src, time.Second)
			next, err := src.Token(t.Context())
			if err != nil || next == token {
				t.Fatalf("got %v, %v, want a new token", next, err)
			}
			token = next
		}
	})
}

// A 401 to a token that has expired meanwhile says nothing about the server's honesty.
func TestInvalidatingAnExpiredTokenCostsNoRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &recorder{}
		_, src := sandboxWith(t, smarttest.Options{InMemory: true, TokenLifetime: 2 * time.Second},
			func(c *smartauth.Config) { c.Observer = o })
		for range 4 {
			token, err := src.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(2500 * time.Millisecond)
			src.Invalidate(token)
		}
		revoked, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		src.Invalidate(revoked)
		if next, err := src.Token(t.Context()); err != nil || next == revoked {
			t.Errorf("%v, %v, want another token", next, err)
		}
		var reasons []smartauth.Reason
		for _, s := range o.started() {
			if s.Phase == smartauth.PhaseAcquire {
				reasons = append(reasons, s.Reason)
			}
		}
		expired := smartauth.ReasonExpired
		if want := []smartauth.Reason{smartauth.ReasonInitial, expired, expired, expired, expired, smartauth.ReasonRejected}; !slices.Equal(reasons, want) {
			t.Errorf("acquired for %v, want %v", reasons, want)
		}
	})
}
