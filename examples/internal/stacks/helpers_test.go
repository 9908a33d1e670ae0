package stacks

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/go-resty/resty/v2"
	"github.com/hashicorp/go-retryablehttp"
	smarthttp "github.com/smartauth-go/smartauth/adapters/nethttp"
	smartresty "github.com/smartauth-go/smartauth/adapters/resty"
	smartretryable "github.com/smartauth-go/smartauth/adapters/retryablehttp"
	smartauth "github.com/smartauth-go/smartauth/core"
	"github.com/smartauth-go/smartauth/core/smarttest"
	otelsmart "github.com/smartauth-go/smartauth/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// A call makes a FHIR request, and returns its status.
type call func(ctx context.Context) (int, error)

// stacks are the HTTP stacks, each attached to a source. None of them repeats a request by itself.
var stacks = map[string]func(testing.TB, *smartauth.Source, *http.Client) call{
	"nethttp": func(_ testing.TB, src *smartauth.Source, base *http.Client) call {
		client := smarthttp.NewClient(src, base)
		return func(ctx context.Context) (int, error) {
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, patients(src), nil)
			if err != nil {
				return 0, err
			}
			return status(client.Do(r))
		}
	},
	"resty": func(tb testing.TB, src *smartauth.Source, base *http.Client) call {
		client := resty.NewWithClient(base)
		if err := smartresty.Attach(client, src); err != nil {
			tb.Fatal(err)
		}
		return func(ctx context.Context) (int, error) {
			resp, err := client.R().SetContext(ctx).Get(patients(src))
			return resp.StatusCode(), err
		}
	},
	"retryablehttp": func(tb testing.TB, src *smartauth.Source, base *http.Client) call {
		client := retryablehttp.NewClient()
		client.HTTPClient, client.Logger, client.RetryMax = base, nil, 0
		if err := smartretryable.Attach(client, src); err != nil {
			tb.Fatal(err)
		}
		return func(ctx context.Context) (int, error) {
			r, err := retryablehttp.NewRequestWithContext(ctx, http.MethodGet, patients(src), nil)
			if err != nil {
				return 0, err
			}
			return status(client.Do(r))
		}
	},
}

func patients(src *smartauth.Source) string { return src.BaseURL() + "/Patient?_count=1" }

func status(resp *http.Response, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, resp.Body.Close()
}

// world is a sandbox, an observed client of it on one of the stacks, and what the Observer exports.
type world struct {
	*testing.T
	*smarttest.Server
	call     call
	provider *sdktrace.TracerProvider
	spans    *tracetest.SpanRecorder
	reader   *sdkmetric.ManualReader
}

// onEachStack runs test in a bubble of its own for each stack. client is the one that fetches the tokens; nil means the sandbox's.
func onEachStack(t *testing.T, client func(*world) *http.Client, test func(*world), opts ...otelsmart.Option) {
	for name, attached := range stacks {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &world{T: t, Server: smarttest.New(t, smarttest.Options{InMemory: true}), spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
				w.provider = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(w.spans))
				cfg := w.NewClient(smarttest.ClientOptions{})
				if client != nil {
					cfg.HTTPClient = client(w)
				}
				cfg.Observer = otelsmart.NewObserver(append(opts, otelsmart.WithTracerProvider(w.provider),
					otelsmart.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(w.reader))))...)
				src, err := smartauth.New(cfg)
				if err != nil {
					t.Fatal(err)
				}
				w.call = attached(t, src, w.Client())
				test(w)
			})
		})
	}
}

// within makes the call within a request of the application's. want is its status, 0 for an error.
func (w *world) within(ctx context.Context, name string, want int) {
	w.Helper()
	ctx, span := w.provider.Tracer("application").Start(ctx, name)
	defer span.End()
	if got, err := w.call(ctx); got != want || (want == 0) != (err != nil) {
		w.Errorf("%s: status %d, %v, want %d", name, got, err, want)
	}
}

// draw returns the spans as trees, in the order of their beginnings: a dash for each level, the name less ours, the reason or
// number of the attempt, error.type and the name of the span that a link leads to.
func (w *world) draw() string {
	var b strings.Builder
	var walk func(level string, parent trace.SpanID)
	names := map[trace.SpanID]string{}
	for _, s := range w.spans.Started() {
		names[s.SpanContext().SpanID()] = s.Name()
	}
	walk = func(level string, parent trace.SpanID) {
		for _, s := range w.spans.Started() {
			if s.Parent().SpanID() != parent {
				continue
			}
			b.WriteString(level + strings.TrimPrefix(strings.TrimPrefix(s.Name(), "smartauth."), "token."))
			for _, key := range []attribute.Key{"smartauth.refresh.reason", "http.request.resend_count", "error.type"} {
				for _, a := range s.Attributes() {
					if a.Key == key {
						b.WriteString(" " + a.Value.String())
					}
				}
			}
			if s.Status().Code == codes.Error {
				b.WriteString("!")
			}
			for _, l := range s.Links() {
				b.WriteString(" -> " + strings.TrimPrefix(names[l.SpanContext.SpanID()], "smartauth.token."))
			}
			if s.EndTime().IsZero() {
				b.WriteString(" without an end")
			}
			b.WriteString("\n")
			walk(level+"- ", s.SpanContext().SpanID())
		}
	}
	walk("", trace.SpanID{})
	return b.String()
}

// counted returns the values of a counter by one of its attributes.
func (w *world) counted(name string, by attribute.Key) map[string]int64 {
	w.Helper()
	var all metricdata.ResourceMetrics
	if err := w.reader.Collect(context.Background(), &all); err != nil {
		w.Fatal(err)
	}
	found := map[string]int64{}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if data, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == name {
			for _, p := range data.DataPoints {
				v, _ := p.Attributes.Value(by)
				found[v.String()] += p.Value
			}
		}
	}
	return found
}
