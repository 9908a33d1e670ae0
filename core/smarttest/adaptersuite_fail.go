package smarttest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// failing are the tests of calls for which there is no token.
var failing = []adapterTest{
	{"no token, no request: temporary", noToken(Fault{Status: http.StatusServiceUnavailable}, smartauth.Temporary, 3)},
	{"no token, no request: refused", noToken(Fault{Status: http.StatusUnauthorized}, smartauth.Refused, 1)},
	{"no token, no request: permanent",
		noToken(Fault{Status: http.StatusBadRequest, Body: `{"error":"invalid_scope"}`}, smartauth.Permanent, 1)},

	{"401 while no other token can be obtained", func(t *testing.T, f *fixture) {
		f.send(t, Call{}, http.StatusOK)
		f.Fail(TokenEndpoint, Fault{Status: http.StatusServiceUnavailable})
		f.Fail(FHIR, Fault{Times: 1, Status: http.StatusUnauthorized})
		r := f.call(t, Call{})
		var e *smartauth.Error
		if !errors.As(r.err, &e) {
			t.Fatalf("status %d, error %v, want one that wraps *smartauth.Error", r.status, r.err)
		}
		if r.took < time.Hour { // no try of the stack's own hides the first
			if !strings.Contains(r.err.Error(), "answered 401") {
				t.Errorf("error %q does not tell of the 401", r.err)
			}
			f.send(t, Call{}, http.StatusOK) // others go on with the token
		}
	}},

	{"the caller's time ends while a token is acquired", leave(context.DeadlineExceeded, func(ctx context.Context) (context.Context, context.CancelFunc) {
		return context.WithTimeout(ctx, time.Second)
	})},
	{"the caller leaves while a token is acquired", leave(context.Canceled, func(ctx context.Context) (context.Context, context.CancelFunc) {
		ctx, cancel := context.WithCancel(ctx)
		time.AfterFunc(time.Second, cancel)
		return ctx, cancel
	})},
}

// noToken makes a call while the token endpoint fails, and another one right afterwards. A try is one acquisition, and that so
// many token requests.
func noToken(fault Fault, kind smartauth.Kind, requests int) func(*testing.T, *fixture) {
	return func(t *testing.T, f *fixture) {
		f.Fail(TokenEndpoint, fault)
		r := f.call(t, f.post("body"))
		var e *smartauth.Error
		if !errors.As(r.err, &e) || e.Kind != kind {
			t.Errorf("error %v, want a *smartauth.Error of that kind", r.err)
		}
		n, tries := f.Counts().TokenRequests, 1+int(r.took/time.Hour)
		if n == 0 || n%requests != 0 || n/requests > tries {
			t.Errorf("%d token requests in %v, in which %d tries fit of %d each", n, r.took, tries, requests)
		}
		if kind == smartauth.Permanent && r.took >= time.Hour && !f.stack.cannotStop.Load() {
			t.Errorf("the stack tried again for %v; where it cannot be kept from that, the Doer says so by Call.CannotStop", r.took)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // no second try of the stack's
		defer cancel()
		c := f.post("body")
		c.Context = ctx
		r = f.call(t, c)
		if again := f.Counts().TokenRequests - n; r.err == nil || again != 0 {
			t.Errorf("right afterwards: status %d, and %d token requests more, want an error and none", r.status, again)
		}
		if r.took == 0 && (!errors.As(r.err, &e) || e.Kind != kind) {
			t.Errorf("right afterwards: error %v, want a *smartauth.Error of that kind", r.err)
		}
		if n := f.Counts().FHIR; n != 0 {
			t.Errorf("%d requests reached the FHIR server", n)
		}
	}
}

// leave makes a call that ends after a second while the token takes ten.
func leave(want error, leaving func(context.Context) (context.Context, context.CancelFunc)) func(*testing.T, *fixture) {
	return func(t *testing.T, f *fixture) {
		f.Fail(TokenEndpoint, Fault{Delay: 10 * time.Second})
		ctx, cancel := leaving(t.Context())
		defer cancel()
		if r := f.call(t, Call{Context: ctx}); !errors.Is(r.err, want) || r.took != time.Second {
			t.Errorf("left after %v with %v, want %v at its time", r.took, r.err, want)
		}
		time.Sleep(time.Minute)
		if n := f.Counts().FHIR; n != 0 {
			t.Errorf("%d requests reached the FHIR server", n)
		}
	}
}
