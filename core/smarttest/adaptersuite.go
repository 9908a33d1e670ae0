package smarttest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// RunAdapterSuite tells whether an adapter keeps what all adapters promise. attach returns a Doer for the adapter's HTTP
// stack over base, authenticated by src; it is called anew for each test. The tests run over in-memory connections on
// synctest's clock, so that an hour's wait costs nothing and every wait shows: a 401 is to be healed in no time at all.
func RunAdapterSuite(t *testing.T, attach func(src smartauth.TokenSource, base *http.Client) Doer) {
	measured := &stack{}
	run := func(t *testing.T, test func(*testing.T, *fixture)) {
		synctest.Test(t, func(t *testing.T) {
			t.Cleanup(func() { time.Sleep(time.Minute) }) // an acquisition ends in its own time
			srv := New(t, Options{InMemory: true})
			src, err := smartauth.New(srv.NewClient(ClientOptions{}))
			if err != nil {
				t.Fatal(err)
			}
			test(t, &fixture{Server: srv, src: src, do: attach(src, srv.Client()), stack: measured})
		})
	}
	run(t, measure)
	for _, group := range [][]adapterTest{healing, bodies(), crowds, restraint, repeating, origins, failing} {
		for _, test := range group {
			t.Run(test.name, func(t *testing.T) { run(t, test.run) })
		}
	}
}

type adapterTest struct {
	name string
	run  func(*testing.T, *fixture)
}

// stack is what the suite has found out about the HTTP stack under test.
type stack struct {
	repeats    int // after a 503
	cannotStop atomic.Bool
}

// measure finds out how often the stack repeats a call, and that it waits long enough between for the tests to tell its own
// repeats from those of the adapter.
func measure(t *testing.T, f *fixture) {
	s := f.play(http.StatusServiceUnavailable)
	c, cancel := f.complete(t, Call{})
	defer cancel()
	resp, err := f.do(c)
	if err == nil && resp != nil {
		_ = resp.Body.Close()
	}
	times := s.arrivals()
	if len(times) == 0 {
		t.Fatalf("no request arrived: %v", err)
	}
	for i := range times[1:] {
		if wait := times[i+1].Sub(times[i]); wait < time.Hour {
			t.Fatalf("the stack repeated a call after %v; its shortest wait is to be an hour, see Doer", wait)
		}
	}
	f.stack.repeats = len(times) - 1
}

// fixture is a sandbox, and the stack under test in front of it.
type fixture struct {
	*Server
	src   *smartauth.Source
	do    Doer
	stack *stack
}

// patients is a search that any client may do.
func (f *fixture) patients() string { return f.BaseURL() + "/Patient?_count=1" }

// post is a call that creates something.
func (f *fixture) post(body any) Call {
	return Call{Method: http.MethodPost, URL: f.BaseURL() + "/Patient", Body: body}
}

// acquire sees to it that there is a token.
func (f *fixture) acquire(t *testing.T) *smartauth.Token {
	t.Helper()
	token, err := f.src.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// result is how a call ended.
type result struct {
	status int // 0 if there was an error
	body   string
	took   time.Duration
	err    error
}

// longestCall ends calls that an adapter has lost.
const longestCall = 100 * time.Hour

// complete fills in what a test left open.
func (f *fixture) complete(t *testing.T, c Call) (Call, context.CancelFunc) {
	if c.Context == nil {
		c.Context = t.Context()
	}
	if c.Method == "" {
		c.Method = http.MethodGet
	}
	if c.URL == "" {
		c.URL = f.patients()
	}
	if c.Header == nil {
		c.Header = make(http.Header)
	}
	c.stack = f.stack
	var cancel context.CancelFunc
	c.Context, cancel = context.WithTimeout(c.Context, longestCall)
	return c, cancel
}

// call makes a call and reads the response. Whatever comes of it, the caller finds no token in what it holds.
func (f *fixture) call(t *testing.T, c Call) result {
	t.Helper()
	c, cancel := f.complete(t, c)
	defer cancel()
	own, begin := c.Header.Get("Authorization"), time.Now()
	resp, err := f.do(c)
	if err == nil && resp == nil {
		t.Errorf("%s: neither a response nor an error", c.Method)
		return result{}
	}
	if c.Header.Get("Authorization") != own {
		t.Errorf("%s: the caller's header has another Authorization than before", c.Method)
	}
	if err != nil {
		return result{took: time.Since(begin), err: err}
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Errorf("reading the response: %v", err)
	}
	for r := resp.Request; r != nil; r = r.Response.Request {
		if got := r.Header.Get("Authorization"); got != "" && got != own {
			t.Errorf("%s: the request that came back with the response holds a token", c.Method)
		}
		if r.Response == nil {
			break
		}
	}
	return result{resp.StatusCode, string(body), time.Since(begin), nil}
}

// send makes a call and fails the test unless it ends with the status, at once. It returns the body.
func (f *fixture) send(t *testing.T, c Call, status int) string {
	t.Helper()
	r := f.call(t, c)
	switch {
	case r.err != nil:
		t.Errorf("the call failed: %v", r.err)
	case r.status != status:
		t.Errorf("status %d, want %d: %s", r.status, status, r.body)
	}
	if r.took != 0 {
		t.Errorf("the call took %v of the time that passes only if somebody waits", r.took)
	}
	return r.body
}

// script answers the FHIR requests with one status after the other, and the last one from then on.
type script struct {
	statuses []int

	mu    sync.Mutex
	times []time.Time
}

// play begins a script in place of the FHIR server.
func (f *fixture) play(statuses ...int) *script {
	s := &script{statuses: statuses}
	f.Fail(FHIR, Fault{Handler: s.answer})
	return s
}

func (s *script) answer(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	s.times = append(s.times, time.Now())
	n := len(s.times)
	s.mu.Unlock()
	w.WriteHeader(s.statuses[min(n, len(s.statuses))-1])
	_, _ = io.WriteString(w, answerBody(n))
}

// answerBody is that of the n-th answer of a script, from 1.
func answerBody(n int) string { return fmt.Sprintf("answer %d", n) }

// arrivals returns when requests arrived.
func (s *script) arrivals() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Time(nil), s.times...)
}

// atOnce returns how many of the requests followed another one without the stack's wait.
func (s *script) atOnce() int {
	n, times := 0, s.arrivals()
	for i := range times[min(1, len(times)):] {
		if times[i+1].Sub(times[i]) < time.Hour {
			n++
		}
	}
	return n
}
