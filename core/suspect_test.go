package smartauth_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/internal/authctx"
)

// The FHIR server refused a token, perhaps wrongly, and the authorization server is down: whoever was not refused goes on.
func TestSuspectTokenIsKeptWhileNoOtherIsToBeHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		first, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
		src.Invalidate(first)
		for i := range 100 {
			begin := time.Now()
			if got, err := src.Token(t.Context()); err != nil || got != first {
				t.Fatalf("got %v, %v, want the suspect token", got, err)
			}
			if took := time.Since(begin); i > 0 && took != 0 { // whoever is first waits for the first renewal to fail
				t.Fatalf("call %d took %v", i, took)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := srv.Counts().TokenRequests; n < 7 {
			t.Errorf("%d token requests, want more than one renewal", n)
		}
		srv.Clear()
		time.Sleep(31 * time.Second)
		if _, err := src.Token(t.Context()); err != nil { // begins the refresh
			t.Fatal(err)
		}
		synctest.Wait()
		if got, err := src.Token(t.Context()); err != nil || got == first {
			t.Errorf("got %v, %v, want a new token now that the server is back", got, err)
		}
	})
}

// The server hangs instead: nobody but the refused caller is held for long, and nobody a second time.
func TestSuspectTokenWhileTheServerHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		first, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Hang: true})
		src.Invalidate(first)
		for i, want := range []time.Duration{2 * time.Second, 0, 0} {
			begin := time.Now()
			got, err := src.Token(t.Context())
			if took := time.Since(begin); err != nil || got != first || took != want {
				t.Errorf("call %d: %v, %v after %v, want the suspect token after %v", i, got, err, took, want)
			}
		}
	})
}

// What no retry can mend is told to everybody, also while the suspect token lives.
func TestSuspectTokenAndAPermanentFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		first, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 400, Body: `{"error":"invalid_scope"}`})
		src.Invalidate(first)
		for range 3 {
			if got, err := src.Token(t.Context()); err == nil {
				t.Fatalf("got %v, want the permanent failure", got)
			}
		}
	})
}

// Whom a server refused the token does not get it again, in the pause after a failed renewal either.
func TestRefusedCallerGetsTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandbox(t, nil)
		first, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Status: 503})
		refused := authctx.With(t.Context(), authctx.Values{Refused: first})
		for range 2 {
			src.Invalidate(first)
			if got, err := src.Token(refused); err == nil {
				t.Errorf("the refused caller got %v", got)
			}
			if got, err := src.Token(t.Context()); err != nil || got != first {
				t.Errorf("another caller got %v, %v", got, err)
			}
		}
	})
}

// A token that expires while its successor is awaited is nothing to fall back on any more.
func TestSuspectExpiresWhileItsSuccessorIsAwaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv, src := sandboxWith(t, smarttest.Options{InMemory: true, TokenLifetime: 5 * time.Second}, nil)
		token, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(3500 * time.Millisecond)
		srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: 4 * time.Second})
		src.Invalidate(token)
		begin := time.Now()
		if next, err := src.Token(t.Context()); err != nil || next == token || time.Since(begin) != 4*time.Second {
			t.Errorf("%v, %v after %v, want another token after 4 s", next, err, time.Since(begin))
		}
	})
}

// errgroup cancels with what failed elsewhere, and that may be an error of ours.
func TestCauseOfTheCallerIsNotTheOutcome(t *testing.T) {
	for _, kind := range []smartauth.Kind{smartauth.Temporary, smartauth.Permanent} {
		synctest.Test(t, func(t *testing.T) {
			srv, src := sandbox(t, nil)
			token, err := src.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			src.Invalidate(token)
			srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: 5 * time.Second})
			ctx, cancel := context.WithCancelCause(t.Context())
			time.AfterFunc(time.Second, func() { cancel(&smartauth.Error{Kind: kind}) })
			if got, err := src.Token(ctx); got != nil || !errors.Is(err, context.Canceled) {
				t.Errorf("%v: %v, %v, want the error of a context that ended", kind, got, err)
			}
		})
	}
}

// Who gives up waiting for the successor goes on with the suspect, and must not put it back in the place of the successor.
func TestSuspectNeverComesBack(t *testing.T) {
	const patience = 2 * time.Second // of who waits for a successor
	for range 50 {                   // which of two comes first is chance
		synctest.Test(t, func(t *testing.T) {
			srv, src := sandbox(t, nil)
			first, err := src.Token(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			srv.RevokeAll()
			srv.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: patience})
			src.Invalidate(first)
			for range 20 {
				go func() { _, _ = src.Token(t.Context()) }()
			}
			time.Sleep(patience + time.Second)
			if got, err := src.Token(t.Context()); err != nil || got == first {
				t.Fatalf("got %v, %v, want the successor of the token that was refused", got, err)
			}
		})
	}
}
