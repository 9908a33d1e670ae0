package smarttest

import (
	"net/http"
	"testing"
	"time"
)

// restraint are the tests of what an adapter must not do.
var restraint = []adapterTest{
	{"a second 401 is the caller's", func(t *testing.T, f *fixture) { f.refuseTwice(t, Call{}) }},
	{"a second 401 to a POST is the caller's", func(t *testing.T, f *fixture) { f.refuseTwice(t, f.post("body")) }},
	{"a server that always says 401 causes few tokens", func(t *testing.T, f *fixture) {
		f.AlwaysUnauthorized(true)
		for range 1000 {
			f.send(t, Call{}, http.StatusUnauthorized)
		}
		if n := f.Counts().TokenRequests; n > 5 {
			t.Errorf("%d token requests for 1,000 calls", n)
		}
	}},
	{"the caller's own Authorization", func(t *testing.T, f *fixture) {
		f.send(t, Call{Header: http.Header{"Authorization": {"Bearer own"}}}, http.StatusUnauthorized)
		if got := f.Requests(FHIR); len(got) != 1 || got[0].Bearer() != "own" {
			t.Errorf("%d requests, or one without the caller's token, want one with it", len(got))
		}
		if n := f.Counts().TokenRequests; n != 0 {
			t.Errorf("%d token requests for nothing", n)
		}
	}},
}

func (f *fixture) refuseTwice(t *testing.T, c Call) {
	t.Helper()
	s := f.play(http.StatusUnauthorized)
	if body := f.send(t, c, http.StatusUnauthorized); body != answerBody(2) {
		t.Errorf("the body is %q, want that of the second answer", body)
	}
	if n := f.Counts().TokensIssued; len(s.arrivals()) != 2 || n != 2 {
		t.Errorf("%d requests and %d tokens, want two of each", len(s.arrivals()), n)
	}
}

// repeating are the tests of calls that the stack itself sends again; where it does not they ask little.
var repeating = []adapterTest{
	{"at most one resend, however often the stack repeats", func(t *testing.T, f *fixture) {
		f.acquire(t)
		var answers []int
		for range 10 {
			answers = append(answers, http.StatusUnauthorized, http.StatusServiceUnavailable)
		}
		s := f.play(answers...)
		r := f.call(t, Call{})
		n := len(s.arrivals())
		if s.atOnce() != 1 {
			t.Errorf("%d resends in %d requests, want one, after the first 401", s.atOnce(), n)
		}
		if f.stack.repeats > 0 && (n != 3 || r.status != http.StatusUnauthorized || r.body != answerBody(3)) {
			t.Errorf("status %d, %q, %v after %d requests, want the 401 of the third", r.status, r.body, r.err, n)
		}
		if tokens := f.Counts().TokensIssued; tokens > 1+n {
			t.Errorf("%d tokens for %d requests", tokens, n)
		}
	}},
	{"401 among the stack's repeats is healed", amongRepeats(http.StatusOK)},
	{"a second 401 among the stack's repeats is the caller's", amongRepeats(http.StatusUnauthorized)},
}

// amongRepeats answers with 503, 503, 401 and last.
func amongRepeats(last int) func(*testing.T, *fixture) {
	return func(t *testing.T, f *fixture) {
		if f.stack.repeats < 2 {
			t.Skip("the stack does not repeat a call twice")
		}
		f.SetTokenLifetime(longestCall)
		f.acquire(t)
		s := f.play(http.StatusServiceUnavailable, http.StatusServiceUnavailable, http.StatusUnauthorized, last)
		r := f.call(t, Call{})
		if r.status != last || r.body != answerBody(4) {
			t.Errorf("status %d, %q, %v, want the %d of the fourth request", r.status, r.body, r.err, last)
		}
		if n := len(s.arrivals()); n != 4 || s.atOnce() != 1 {
			t.Errorf("%d requests, %d of them at once after another, want four and one", n, s.atOnce())
		}
		if n := f.Counts().TokenRequests; n != 2 {
			t.Errorf("%d token requests, want one more than before", n)
		}
		if r.took < 2*time.Hour {
			t.Errorf("the call took %v, want the stack's two waits", r.took)
		}
	}
}
