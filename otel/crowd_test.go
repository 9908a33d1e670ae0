package otelsmart_test

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Of a crowd in traces of their own, one owns the work. The others have a span each, linked to it, and nothing of it.
func TestCrowd(t *testing.T) {
	const callers = 50
	inWorld(t, nil, func(w *world) {
		for range 3 {
			w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Delay: time.Second})
			var crowd sync.WaitGroup
			for i := range callers {
				crowd.Go(func() { _, _ = w.call(fmt.Sprint("caller ", i)) })
			}
			crowd.Wait()
			time.Sleep(301 * time.Second)
		}
		synctest.Wait()
		w.Clear()

		traces, flights := map[trace.TraceID][]sdktrace.ReadOnlySpan{}, map[trace.SpanID]bool{}
		for _, s := range w.recorder.Ended() {
			id := s.SpanContext().TraceID()
			traces[id] = append(traces[id], s)
		}
		for _, s := range w.recorder.Ended() {
			if s.Name() == "smartauth.exchange" {
				flights[s.Parent().SpanID()] = true
			}
		}
		waiters := 0
		for _, spans := range traces {
			if len(spans) > 2 { // the caller's, acquire, sign, exchange, and the first time discover
				continue
			}
			for _, s := range spans {
				if s.Name() != "smartauth.token.acquire" {
					continue
				}
				if waiters++; len(s.Links()) != 1 || !flights[s.Links()[0].SpanContext.SpanID()] {
					w.Errorf("a waiter's span has links %v, want one to the acquisition", s.Links())
				}
			}
		}
		if len(traces) != 3*callers || len(flights) != 3 || waiters != 3*(callers-1) {
			w.Errorf("%d traces, %d acquisitions and %d waiters", len(traces), len(flights), waiters)
		}
	})
}
