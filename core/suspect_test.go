package smartauth_test

import (
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/internal/authctx"
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
		time.Sleep(11 * time.Second)
		current, err := src.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		src.Invalidate(current)
		if got, err := src.Token(t.Context()); err != nil || got == current {
			t.Errorf("got %v, %v; 10 s later one more renewal is due", got, err)
		}
	})
}

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
		for range 100 {
			if got, err := src.Token(t.Context()); err != nil || got != first {
				t.Fatalf("got %v, %v, want the suspect token", got, err)
			}
			time.Sleep(100 * time.Millisecond)
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
		time.Sleep(time.Minute) // the flight ends in its own time
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
