package otelsmart_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	otelsmart "github.com/smartauth-go/smartauth/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// world is a sandbox in memory, a Source that is observed, and all that its Observer exports.
type world struct {
	*testing.T
	*smarttest.Server
	cfg      smartauth.Config
	src      *smartauth.Source
	observer *otelsmart.Observer
	recorder *tracetest.SpanRecorder
	provider *sdktrace.TracerProvider
	reader   *sdkmetric.ManualReader
	meters   *sdkmetric.MeterProvider
}

// inWorld runs test in a bubble. change may be nil; opts come after those that the world has of its own.
func inWorld(t *testing.T, change func(*world), test func(*world), opts ...otelsmart.Option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, opts...)
		if change != nil {
			change(w)
		}
		w.src = w.source(w.cfg)
		test(w)
		synctest.Wait()
		w.allEnded()
	})
}

func newWorld(t *testing.T, opts ...otelsmart.Option) *world {
	w := &world{T: t, Server: smarttest.New(t, smarttest.Options{InMemory: true}), recorder: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	w.provider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(w.recorder))
	w.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(w.reader))
	w.observer = otelsmart.NewObserver(append([]otelsmart.Option{otelsmart.WithTracerProvider(w.provider),
		otelsmart.WithMeterProvider(w.meters), otelsmart.WithPropagators(propagation.TraceContext{})}, opts...)...)
	w.cfg = w.NewClient(smarttest.ClientOptions{ID: "app", KeyID: "key-1"})
	w.cfg.Observer = w.observer
	return w
}

func (w *world) source(cfg smartauth.Config) *smartauth.Source {
	w.Helper()
	src, err := smartauth.New(cfg)
	if err != nil {
		w.Fatal(err)
	}
	return src
}

// request is the span of the application's own request.
func (w *world) request(ctx context.Context, name string) (context.Context, func()) {
	ctx, span := w.provider.Tracer("application").Start(ctx, name, trace.WithSpanKind(trace.SpanKindServer))
	return ctx, func() { span.End() }
}

// call asks for a token within a request of the application's.
func (w *world) call(name string) (*smartauth.Token, error) {
	ctx, end := w.request(w.Context(), name)
	defer end()
	return w.src.Token(ctx)
}

// must is call where it should succeed, and waits for what goes on in the background.
func (w *world) must(name string) *smartauth.Token {
	w.Helper()
	token, err := w.call(name)
	if err != nil {
		w.Fatal(err)
	}
	synctest.Wait()
	return token
}

func (w *world) allEnded() {
	w.Helper()
	ended := map[trace.SpanID]int{}
	for _, s := range w.recorder.Ended() {
		ended[s.SpanContext().SpanID()]++
	}
	for _, s := range w.recorder.Started() {
		if ended[s.SpanContext().SpanID()] != 1 {
			w.Errorf("%s ended %d times", s.Name(), ended[s.SpanContext().SpanID()])
		}
	}
}

// common are the attributes that draw leaves out unless asked for.
var common = []string{"server.address", "server.port", "smartauth.grant_type", "http.request.method", "url.full",
	"smartauth.signing.alg", "smartauth.signing.kid", "smartauth.token.expires_in"}

// draw returns the spans as trees, one span a line: name, kind, status, attributes by name, and links by the name of the span
// they lead to. The names of the sandbox's hosts, which differ, are AUTH and FHIR.
func (w *world) draw(leaveOut ...string) string {
	spans := w.recorder.Started() // in that order
	known, children := map[trace.SpanID]sdktrace.ReadOnlySpan{}, map[trace.SpanID][]sdktrace.ReadOnlySpan{}
	for _, s := range spans {
		known[s.SpanContext().SpanID()] = s
	}
	var roots []sdktrace.ReadOnlySpan
	for _, s := range spans {
		if id := s.Parent().SpanID(); known[id] != nil {
			children[id] = append(children[id], s)
		} else {
			roots = append(roots, s)
		}
	}
	var b strings.Builder
	var walk func(indent string, list []sdktrace.ReadOnlySpan)
	walk = func(indent string, list []sdktrace.ReadOnlySpan) {
		for _, s := range list {
			b.WriteString(indent + s.Name() + " " + s.SpanKind().String())
			if s.Parent().IsValid() && known[s.Parent().SpanID()] == nil {
				b.WriteString(" below another's")
			}
			if s.Status().Code != codes.Unset {
				fmt.Fprintf(&b, " %s(%s)", s.Status().Code, s.Status().Description)
			}
			attributes := map[string]string{}
			for _, a := range s.Attributes() {
				attributes[string(a.Key)] = a.Value.String()
			}
			for _, k := range slices.Sorted(maps.Keys(attributes)) {
				if !slices.Contains(leaveOut, k) {
					b.WriteString(" " + strings.TrimPrefix(k, "smartauth.") + "=" + attributes[k])
				}
			}
			for _, l := range s.Links() {
				name := "?"
				if to := known[l.SpanContext.SpanID()]; to != nil {
					name = to.Name()
				}
				b.WriteString(" -> " + name)
			}
			b.WriteString("\n")
			walk(indent+"  ", children[s.SpanContext().SpanID()])
		}
	}
	walk("", roots)
	host, port := hostPort(w.AuthOrigin())
	fhirHost, fhirPort := hostPort(w.FHIROrigin())
	return strings.NewReplacer(w.AuthOrigin(), "AUTH", w.FHIROrigin(), "FHIR",
		"server.address="+host+" server.port="+port, "server=AUTH",
		"server.address="+fhirHost+" server.port="+fhirPort, "server=FHIR").Replace(b.String())
}

func hostPort(origin string) (host, port string) {
	host, port, _ = strings.Cut(strings.TrimPrefix(origin, "http://"), ":")
	return host, port
}

// drawn fails the test unless the spans are as in want, whose lines may be indented.
func (w *world) drawn(want string, leaveOut ...string) {
	w.Helper()
	synctest.Wait()
	got := w.draw(leaveOut...)
	var lines []string
	for line := range strings.Lines(want) {
		if strings.TrimSpace(line) != "" {
			lines = append(lines, strings.Replace(line, "\t\t", "", 1))
		}
	}
	if want = strings.TrimRight(strings.Join(lines, ""), "\t\n") + "\n"; got != want {
		w.Errorf("spans:\n%s\nwant:\n%s", got, want)
	}
}

// metrics are what is collected now, by name.
func (w *world) metrics() map[string]metricdata.Metrics {
	w.Helper()
	var all metricdata.ResourceMetrics
	if err := w.reader.Collect(context.Background(), &all); err != nil {
		w.Fatal(err)
	}
	found := map[string]metricdata.Metrics{}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			found[m.Name] = m
		}
	}
	return found
}
