package smarttest

import (
	"context"
	"io"
	"net/http"
	"testing"
	"time"
)

// healing are the tests of what happens without the caller noticing; see also bodies and crowds.
var healing = []adapterTest{
	{"bearer on the first request", func(t *testing.T, f *fixture) {
		f.send(t, Call{}, http.StatusOK)
		f.send(t, Call{}, http.StatusOK)
		token := f.acquire(t)
		for i, r := range f.Requests(FHIR) {
			if r.Bearer() != token.AccessToken() {
				t.Errorf("request %d did not carry the token", i)
			}
		}
		if c := f.Counts(); c.TokensIssued != 1 || c.FHIR != 2 {
			t.Errorf("%d tokens and %d requests for two calls", c.TokensIssued, c.FHIR)
		}
	}},
	{"401 is healed whatever the method", func(t *testing.T, f *fixture) {
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"} {
			time.Sleep(11 * time.Second) // the Source does not believe in many revocations at once
			c := Call{Method: method, URL: f.BaseURL() + "/Patient/p"}
			if method[0] == 'P' {
				c.Body = []byte("{}")
			}
			s := f.play(http.StatusUnauthorized, http.StatusOK)
			f.send(t, c, http.StatusOK)
			if n := len(s.arrivals()); n != 2 {
				t.Errorf("%s was sent %d times, want twice", method, n)
			}
		}
	}},
	{"403 is left alone", func(t *testing.T, f *fixture) {
		f.send(t, Call{}, http.StatusOK)
		s := f.play(http.StatusForbidden)
		if body := f.send(t, Call{}, http.StatusForbidden); body != answerBody(1) {
			t.Errorf("the body is %q, want the server's", body)
		}
		if n := f.Counts().TokensIssued; len(s.arrivals()) != 1 || n != 1 {
			t.Errorf("%d requests and %d tokens, want one of each", len(s.arrivals()), n)
		}
	}},
	{"a stream is not buffered", stream(0)},
	{"a stream after a healed 401 is not buffered", stream(1)},
	{"one request object 1,000 times", func(t *testing.T, f *fixture) {
		f.send(t, Call{Times: 1000}, http.StatusOK)
		f.RevokeAll()
		f.send(t, Call{Times: 1000}, http.StatusOK)
		if c := f.Counts(); c.FHIR != 2001 || c.TokensIssued != 2 {
			t.Errorf("%d requests and %d tokens", c.FHIR, c.TokensIssued)
		}
	}},
	{"one request object, healed again and again", func(t *testing.T, f *fixture) {
		f.healOften(t, Call{}, http.StatusOK)
	}},
	{"one request object with a body, healed again and again", func(t *testing.T, f *fixture) {
		f.healOften(t, f.post(JSON{patient()}), http.StatusCreated)
		for i, r := range f.Requests(FHIR) {
			if !isJSON(patient())(r) {
				t.Fatalf("request %d has the body %q", i, r.Body)
			}
		}
	}},
}

// stream reads an answer while the server is still at it, after so many answers of 401.
func stream(refusals int) func(*testing.T, *fixture) {
	return func(t *testing.T, f *fixture) {
		more := make(chan struct{})
		faults := []Fault{{Handler: func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "first")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-more:
			case <-r.Context().Done(): // whoever waits for the end waits in vain
			}
			_, _ = io.WriteString(w, "second")
		}}}
		if refusals > 0 {
			faults = append([]Fault{{Times: refusals, Status: http.StatusUnauthorized}}, faults...)
		}
		f.Fail(FHIR, faults...)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		c, done := f.complete(t, Call{Context: ctx, Stream: true})
		defer done()
		resp, err := f.do(c)
		if err != nil {
			t.Fatalf("the call failed: %v", err)
		}
		defer func() { _ = resp.Body.Close() }()
		first := make([]byte, 5)
		if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "first" || ctx.Err() != nil {
			t.Fatalf("got %q, %v before the response ended", first, err)
		}
		close(more)
		if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "second" {
			t.Errorf("then %q, %v", rest, err)
		}
	}
}

// healOften sends a request object 1,000 times, whose token is revoked at some of them. The times between are for the Source,
// which does not believe in many revocations at once.
func (f *fixture) healOften(t *testing.T, c Call, status int) {
	t.Helper()
	arrived := 0
	f.OnRequest(func(r Request) {
		if r.Endpoint != FHIR {
			return
		}
		arrived++
		switch arrived {
		case 1, 300 + 1, 600 + 2: // the sends 1, 300 and 600
			time.Sleep(11 * time.Second)
			f.RevokeAll()
		}
	})
	c.Times = 1000
	r := f.call(t, c)
	if r.err != nil || r.status != status {
		t.Errorf("status %d, %v, want %d", r.status, r.err, status)
	}
	if n := f.Counts(); n.FHIR != 1003 || n.FHIRUnauthorized != 3 || n.TokensIssued != 4 || r.took != 33*time.Second {
		t.Errorf("%d requests, of which %d were refused, and %d tokens in %v; want 1003, 3 and 4 in 33s", n.FHIR, n.FHIRUnauthorized,
			n.TokensIssued, r.took)
	}
}
