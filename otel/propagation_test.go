package otelsmart_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/smartauth-go/smartauth/core/smarttest"
	otelsmart "github.com/smartauth-go/smartauth/otel"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

var everything = propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})

func withBaggage(t *testing.T, ctx context.Context) context.Context {
	member, err := baggage.NewMember("patient", "marker")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	return baggage.ContextWithBaggage(ctx, bag)
}

// The trace goes on at the authorization server, span by span. What the application keeps in its baggage is no business of it.
func TestPropagation(t *testing.T) {
	inWorld(t, nil, func(w *world) {
		w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Status: http.StatusServiceUnavailable})
		ctx, end := w.request(withBaggage(w.T, w.Context()), "request")
		if _, err := w.src.Token(ctx); err != nil {
			w.Fatal(err)
		}
		end()
		if _, err := w.source(w.cfg).Metadata(ctx); err != nil {
			w.Fatal(err)
		}
		synctest.Wait()

		sent := map[string]string{}
		for _, s := range w.recorder.Ended() {
			if s.SpanKind() == trace.SpanKindClient {
				sent[traceparent(s)] = s.Name()
			}
		}
		received := w.Requests(smarttest.Discovery, smarttest.TokenEndpoint)
		if len(received) != 4 || len(sent) != 4 {
			w.Fatalf("%d requests and %d spans for them, want 4", len(received), len(sent))
		}
		for _, r := range received {
			if sent[r.Header.Get("Traceparent")] == "" {
				w.Errorf("%s with traceparent %q, want one of %v", r.RequestURI, r.Header.Get("Traceparent"), sent)
			}
			delete(sent, r.Header.Get("Traceparent"))
			for name, values := range r.Header {
				if name == "Baggage" || strings.Contains(strings.Join(values, " "), "marker") {
					w.Errorf("%s got %s: %q", r.RequestURI, name, values)
				}
			}
		}
	}, otelsmart.WithPropagators(everything))
}

func traceparent(s sdktrace.ReadOnlySpan) string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), s.SpanContext()), carrier)
	return carrier["traceparent"]
}

// A call that belongs to no trace begins one, and one that is not sampled stays so: on its way to the server, too.
func TestLeadersWithAndWithoutATrace(t *testing.T) {
	t.Run("none", func(t *testing.T) {
		inWorld(t, nil, func(w *world) {
			if _, err := w.src.Token(w.Context()); err != nil {
				w.Fatal(err)
			}
			w.drawn(`
		smartauth.token.acquire internal attempts=1 refresh.reason=initial token.source=network
		  smartauth.discover client http.response.status_code=200
		  smartauth.sign internal
		  smartauth.exchange client http.response.status_code=200`, common...)
		})
	})
	for flags, spans := range map[trace.TraceFlags]int{0: 0, trace.FlagsSampled: 4} {
		t.Run("of another service, "+flags.String(), func(t *testing.T) {
			inWorld(t, nil, func(w *world) {
				remote := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: flags, Remote: true})
				if _, err := w.src.Token(trace.ContextWithRemoteSpanContext(w.Context(), remote)); err != nil {
					w.Fatal(err)
				}
				if n := len(w.recorder.Ended()); n != spans {
					w.Errorf("%d spans, want %d", n, spans)
				}
				for _, r := range w.Requests(smarttest.TokenEndpoint) {
					got := r.Header.Get("Traceparent")
					if !strings.HasPrefix(got, "00-"+remote.TraceID().String()) || !strings.HasSuffix(got, "-"+flags.String()) {
						w.Errorf("traceparent %q", got)
					}
				}
			})
		})
	}
}
