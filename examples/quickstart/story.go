package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
)

// story prints a line for each step with its duration. It is the observer of the token source, too.
type story struct {
	mu  sync.Mutex
	out io.Writer
}

func newStory(out io.Writer) *story { return &story{out: out} }

func (s *story) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.out, format+"\n", args...)
}

func (s *story) step(name, what, outcome string, took time.Duration) {
	s.say("  %-10s %-6s %8.2f ms  %s", name, outcome, took.Seconds()*1000, what)
}

// call makes one FHIR request and reads the response.
func (s *story) call(ctx context.Context, client *http.Client, name, method, address, body string) (status int, err error) {
	begin := time.Now()
	defer func() {
		outcome := fmt.Sprint(status)
		if err != nil {
			outcome = "failed"
		}
		s.step(name, method+" "+pathOf(address), outcome, time.Since(begin))
	}()
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Accept", "application/fhir+json")
	if body != "" {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	resp, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode, err
}

func pathOf(address string) string {
	if u, err := url.Parse(address); err == nil {
		return u.RequestURI()
	}
	return address
}

// begun is a phase under way, kept in its context.
type begun struct {
	smartauth.PhaseStart
	at time.Time
}

type begunKey struct{}

// PhaseStart implements smartauth.Observer.
func (s *story) PhaseStart(ctx context.Context, start smartauth.PhaseStart) context.Context {
	if start.Phase == smartauth.PhaseAcquire && start.Reason == smartauth.ReasonRejected {
		s.say("  The FHIR server answered 401. Inside the same call:")
	}
	return context.WithValue(ctx, begunKey{}, begun{start, time.Now()})
}

// PhaseEnd implements smartauth.Observer.
func (s *story) PhaseEnd(ctx context.Context, end smartauth.PhaseEnd) {
	start, _ := ctx.Value(begunKey{}).(begun)
	outcome := "ok"
	if end.Err != nil {
		outcome = "failed"
	}
	if end.StatusCode != 0 {
		outcome = fmt.Sprint(end.StatusCode)
	}
	took := time.Since(start.at)
	switch end.Phase {
	case smartauth.PhaseDiscover:
		s.step("discovery", start.Method+" "+start.URL, outcome, took)
	case smartauth.PhaseSign:
		s.step("signing", end.Algorithm+" with key "+end.KeyID, outcome, took)
	case smartauth.PhaseExchange:
		s.step("token", start.Method+" "+start.URL, outcome, took)
	}
}
