package otelsmart_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	otelsmart "github.com/smartauth-go/smartauth/otel"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// bad panics wherever the SDK calls it.
type bad struct{ sdktrace.SpanProcessor }

func (bad) OnStart(context.Context, sdktrace.ReadWriteSpan)                           { panic("OnStart") }
func (bad) OnEnd(sdktrace.ReadOnlySpan)                                               { panic("OnEnd") }
func (bad) Description() string                                                       { return "bad" }
func (bad) ShouldSample(sdktrace.SamplingParameters) sdktrace.SamplingResult          { panic("ShouldSample") }
func (bad) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error                { panic("ExportSpans") }
func (bad) Shutdown(context.Context) error                                            { return nil }
func (bad) Inject(context.Context, propagation.TextMapCarrier)                        { panic("Inject") }
func (bad) Extract(ctx context.Context, _ propagation.TextMapCarrier) context.Context { return ctx }
func (bad) Fields() []string                                                          { return nil }

// unregistrable is a meter provider of somebody's own, that cannot be collected from.
type unregistrable struct{ metricnoop.MeterProvider }

func (unregistrable) Meter(string, ...metric.MeterOption) metric.Meter { return unregistrableMeter{} }

type unregistrableMeter struct{ metricnoop.Meter }

func (unregistrableMeter) RegisterCallback(metric.Callback, ...metric.Observable) (metric.Registration, error) {
	return nil, nil
}

// nilMeters and nilPropagator cannot be used as nil pointers.
type nilMeters struct{ metric.MeterProvider }

type nilPropagator struct{ propagation.TextMapPropagator }

func TestNoProviderBreaksAuthentication(t *testing.T) {
	closed := sdktrace.NewTracerProvider(sdktrace.WithSyncer(tracetest.NewInMemoryExporter()))
	closedMeters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	for name, opts := range map[string][]otelsmart.Option{
		"nil":                  {otelsmart.WithTracerProvider(nil), otelsmart.WithMeterProvider(nil), otelsmart.WithPropagators(nil)},
		"shut down":            {otelsmart.WithTracerProvider(closed), otelsmart.WithMeterProvider(closedMeters)},
		"panicking processor":  {otelsmart.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(bad{})))},
		"panicking exporter":   {otelsmart.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSyncer(bad{})))},
		"panicking sampler":    {otelsmart.WithTracerProvider(sdktrace.NewTracerProvider(sdktrace.WithSampler(bad{})))},
		"panicking propagator": {otelsmart.WithPropagators(bad{})},
		"no registration":      {otelsmart.WithMeterProvider(unregistrable{})},
		"nil pointers": {otelsmart.WithTracerProvider((*sdktrace.TracerProvider)(nil)), otelsmart.WithMeterProvider((*nilMeters)(nil)),
			otelsmart.WithPropagators((*nilPropagator)(nil))},
		"nil option": {nil},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "shut down" {
				if err := closed.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
				if err := closedMeters.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			inWorld(t, nil, func(w *world) {
				w.Fail(smarttest.TokenEndpoint, smarttest.Fault{Times: 1, Status: http.StatusServiceUnavailable}, smarttest.Fault{Times: 1, Delay: time.Second})
				go func() { _, _ = w.src.Token(w.Context()) }()
				time.Sleep(500 * time.Millisecond)
				for range 2 { // a waiter and a hit
					if _, err := w.src.Token(w.Context()); err != nil {
						w.Error(err)
					}
				}
				w.src.Rejected(w.Context(), smartauth.Rejection{Outcome: smartauth.OutcomeFailed})
				w.src.BearerSkipped(w.Context(), smartauth.BearerSkipped{Reason: smartauth.SkipOptOut})
				if err := w.observer.Close(); err != nil {
					w.Error(err)
				}
			}, opts...)
		})
	}
}

// noEnd panics at the end of spans.
type noEnd struct{ bad }

func (noEnd) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

func TestMetricsOfSpansThatCannotEnd(t *testing.T) {
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(noEnd{}))
	inWorld(t, nil, func(w *world) {
		w.must("first")
		if got := w.points(requests, "smartauth.token.source"); got["network"] != 1 {
			w.Errorf("requests %v", got)
		}
	}, otelsmart.WithTracerProvider(provider))
}

// flaky panics when the sampler is asked about an exchange.
type flaky struct{ bad }

func (flaky) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	if p.Name == "smartauth.exchange" {
		panic("ShouldSample")
	}
	return sdktrace.AlwaysSample().ShouldSample(p)
}

// The end of a phase that could not begin must not end the one around it.
func TestPhaseThatCouldNotBegin(t *testing.T) {
	recorder := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder), sdktrace.WithSampler(flaky{}))
	inWorld(t, nil, func(w *world) {
		w.recorder = recorder
		if _, err := w.src.Token(w.Context()); err != nil {
			w.Fatal(err)
		}
		w.drawn(`
		smartauth.token.acquire internal attempts=1 refresh.reason=initial token.source=network
		  smartauth.discover client http.response.status_code=200
		  smartauth.sign internal`, common...)
	}, otelsmart.WithTracerProvider(provider))
}

// Two Observers, as of two providers, each have spans that belong together.
func TestTwoObservers(t *testing.T) {
	inWorld(t, func(w *world) {
		second := newWorld(w.T)
		w.cfg.Observer = smartauth.MultiObserver(second.observer, w.observer)
		w.Cleanup(func() {
			second.allEnded()
			w.allEnded()
			for _, world := range []*world{w, second} {
				world.drawn(`
		smartauth.token.acquire internal attempts=1 refresh.reason=initial token.source=network
		  smartauth.discover client http.response.status_code=200
		  smartauth.sign internal
		  smartauth.exchange client http.response.status_code=200
		smartauth.token.acquire internal attempts=1 refresh.reason=expiring token.source=network
		  smartauth.sign internal
		  smartauth.exchange client http.response.status_code=200`, common...)
				if got := world.points(requests, "smartauth.token.source"); got["network"] != 1 || got["cache"] != 1 {
					world.Errorf("requests %v", got)
				}
			}
		})
	}, func(w *world) {
		for range 2 {
			get(w)
			time.Sleep(290 * time.Second)
		}
	})
}

// OpenTelemetry's globals may be set after the Observer is made. They can be set once, so this takes a process of its own.
func TestGlobalsThatComeLater(t *testing.T) {
	if os.Getenv("OTELSMART_TEST_GLOBALS") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestGlobalsThatComeLater$")
		cmd.Env = append(os.Environ(), "OTELSMART_TEST_GLOBALS=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	w := newWorld(t)
	w.observer = otelsmart.NewObserver()
	w.cfg.Observer = w.observer
	w.src = w.source(w.cfg)
	otel.SetTracerProvider(w.provider)
	otel.SetMeterProvider(w.meters)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	get(w)
	get(w)
	if n := len(w.recorder.Ended()); n != 4 {
		t.Errorf("%d spans, want 4", n)
	}
	if got := w.points(requests, "smartauth.token.source"); got["network"] != 1 || got["cache"] != 1 {
		t.Errorf("requests %v", got)
	}
	if r := w.Requests(smarttest.TokenEndpoint)[0]; !strings.HasPrefix(r.Header.Get("Traceparent"), "00-") {
		t.Error("no traceparent")
	}
}

func get(w *world) {
	w.Helper()
	if _, err := w.src.Token(w.Context()); err != nil {
		w.Fatal(err)
	}
}
