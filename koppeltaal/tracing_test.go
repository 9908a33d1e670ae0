package koppeltaal_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/smartauth-go/smartauth/core/smarttest"
	"github.com/smartauth-go/smartauth/koppeltaal"
)

// Rules 1 to 3: what a request has caused correlates to it and is in its trace, and a token request belongs to what set it off.
func TestRequestsFollowFromTheOneThatIsServed(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		ctx := koppeltaal.WithTrace(t.Context(), served)
		header := s.get(t, ctx)
		mustFollow(t, s.idsOf(t, smarttest.Discovery), served, 1)
		mustFollow(t, s.idsOf(t, smarttest.TokenEndpoint), served, 1)
		mustFollow(t, s.idsOf(t, smarttest.FHIR), served, 1)

		first := s.idsOf(t, smarttest.FHIR)[0]
		if got := header.Get(koppeltaal.HeaderRequestID); got != first.request {
			t.Errorf("the response has the request id %q, not %q", got, first.request)
		}
		next := koppeltaal.CausedBy(ctx, header)
		if got, want := koppeltaal.TraceFrom(next), (koppeltaal.Trace{RequestID: first.request, CorrelationID: "request-1", TraceID: "trace-1"}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		s.get(t, next)
		mustFollow(t, s.idsOf(t, smarttest.FHIR)[1:], koppeltaal.Trace{RequestID: first.request, TraceID: "trace-1"}, 1)
	})
}

// A request without a trace begins one; what follows from its response is in it.
func TestCausedByTakesTheTraceOfTheResponse(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.get(t, koppeltaal.CausedBy(t.Context(), s.get(t, t.Context())))
		all := s.idsOf(t, smarttest.FHIR)
		if all[0].correlation != "" || all[1].correlation != all[0].request || all[1].trace != all[0].trace {
			t.Errorf("%+v", all)
		}
	})
}

func TestAJobThatStartsByItself(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		job, other := koppeltaal.NewTrace(t.Context()), koppeltaal.NewTrace(koppeltaal.WithTrace(t.Context(), served))
		for _, ctx := range []context.Context{job, job, other} {
			s.get(t, ctx)
		}
		mustFollow(t, s.idsOf(t, smarttest.TokenEndpoint), koppeltaal.TraceFrom(job), 1)
		all := s.idsOf(t, smarttest.FHIR)
		mustFollow(t, all[:2], koppeltaal.Trace{TraceID: koppeltaal.TraceFrom(job).TraceID}, 2)
		mustFollow(t, all[2:], koppeltaal.Trace{TraceID: koppeltaal.TraceFrom(other).TraceID}, 1)
		if all[0].trace == all[2].trace || all[2].trace == served.TraceID {
			t.Errorf("two jobs share a trace: %+v", all)
		}
	})
}

func TestResendAfter401IsAnotherRequest(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.get(t, t.Context())
		s.RevokeAll()
		s.get(t, koppeltaal.WithTrace(t.Context(), served))
		mustFollow(t, s.idsOf(t, smarttest.FHIR)[1:], served, 2)
		mustFollow(t, s.idsOf(t, smarttest.TokenEndpoint)[1:], served, 1)
	})
}

func TestRepeatedTokenRequestIsAnotherRequest(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 2, Status: 503})
		s.get(t, koppeltaal.WithTrace(t.Context(), served))
		mustFollow(t, s.idsOf(t, smarttest.TokenEndpoint), served, 3)
	})
}

func TestRefreshInTheBackgroundHasATraceOfItsOwn(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		ctx := koppeltaal.WithTrace(t.Context(), served)
		s.get(t, ctx)
		time.Sleep(280 * time.Second)
		s.get(t, ctx)
		synctest.Wait()
		all := s.idsOf(t, smarttest.TokenEndpoint)
		if len(all) != 2 || all[1].correlation != "" || all[1].trace == served.TraceID {
			t.Errorf("%+v", all)
		}
		mustFollow(t, s.idsOf(t, smarttest.FHIR), served, 2)
	})
}

// Whoever waits for the token of another keeps its own ids; the token request has those of the other.
func TestWaiterKeepsItsTrace(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Delay: time.Second})
		waiter := koppeltaal.Trace{RequestID: "request-2", TraceID: "trace-2"}
		var both sync.WaitGroup
		both.Go(func() { s.get(t, koppeltaal.WithTrace(t.Context(), served)) })
		synctest.Wait()
		both.Go(func() { s.get(t, koppeltaal.WithTrace(t.Context(), waiter)) })
		both.Wait()
		mustFollow(t, s.idsOf(t, smarttest.TokenEndpoint), served, 1)
		got := map[koppeltaal.Trace]bool{}
		for _, one := range s.idsOf(t, smarttest.FHIR) {
			got[koppeltaal.Trace{RequestID: one.correlation, TraceID: one.trace}] = true
		}
		if want := (koppeltaal.Trace{RequestID: "request-1", TraceID: "trace-1"}); len(got) != 2 || !got[want] || !got[waiter] {
			t.Errorf("%+v", got)
		}
	})
}

func TestRedirectIsAnotherRequest(t *testing.T) {
	inMemory(t, func(t *testing.T, s *sandbox) {
		s.Fail(smarttest.FHIR, smarttest.Fault{Times: 1, Status: 307, Header: http.Header{"Location": {s.BaseURL() + "/Patient?_count=2"}}})
		s.get(t, koppeltaal.WithTrace(t.Context(), served))
		mustFollow(t, s.idsOf(t, smarttest.FHIR), served, 2)
	})
}

// The trace id of OpenTelemetry is taken where there is no other, and nowhere else.
func TestTraceIDFromElsewhere(t *testing.T) {
	const otel = "4bf92f3577b34da6a3ce929d0e0e4736"
	same := func(ctx context.Context) context.Context { return ctx }
	for _, c := range []struct {
		name, id string
		ctx      func(context.Context) context.Context
		want     string // empty: a new one
	}{
		{"none in the context", otel, same, otel},
		{"one in the context", otel, func(ctx context.Context) context.Context { return koppeltaal.WithTrace(ctx, served) }, "trace-1"},
		{"only a request id", otel, func(ctx context.Context) context.Context {
			return koppeltaal.WithTrace(ctx, koppeltaal.Trace{RequestID: "request-1"})
		}, otel},
		{"outside of any trace", "00000000000000000000000000000000", same, ""},
		{"empty", "", same, ""},
		{"no FHIR id", "a_b", same, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			inMemory(t, func(t *testing.T, s *sandbox) {
				tracing := koppeltaal.Tracing{TraceID: func(context.Context) string { return c.id }}
				withTracing(t, s, tracing)
				s.get(t, c.ctx(t.Context()))
				all := append(s.idsOf(t, smarttest.FHIR), s.idsOf(t, smarttest.TokenEndpoint)...)
				for _, one := range all {
					if c.want != "" && one.trace != c.want || c.want == "" && len(one.trace) != 36 {
						t.Errorf("%+v", one)
					}
				}
			})
		})
	}
}
