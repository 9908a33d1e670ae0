package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// telemetry is the OpenTelemetry SDK as an application sets it up.
type telemetry struct {
	traces   *sdktrace.TracerProvider
	meters   *sdkmetric.MeterProvider
	exported bool // the traces, as the environment says, and not drawn
	spans    *recorder

	address string // of the metrics page
	page    *http.Server
}

// newTelemetry shows the metrics at address, unless that is empty.
func newTelemetry(ctx context.Context, address string) (*telemetry, error) {
	tel := &telemetry{spans: new(recorder), exported: exported("TRACES")}
	service, err := resource.New(ctx, resource.WithAttributes(semconv.ServiceName("smartauth-tracing")), resource.WithTelemetrySDK(), resource.WithFromEnv())
	if err != nil {
		return nil, err
	}
	traces := []sdktrace.TracerProviderOption{sdktrace.WithResource(service), sdktrace.WithSyncer(tel.spans)}
	meters := []sdkmetric.Option{sdkmetric.WithResource(service)}
	if tel.exported {
		exporter, err := autoexport.NewSpanExporter(ctx)
		if err != nil {
			return nil, err
		}
		traces = append(traces, sdktrace.WithBatcher(exporter))
	}
	if exported("METRICS") {
		reader, err := autoexport.NewMetricReader(ctx)
		if err != nil {
			return nil, err
		}
		meters = append(meters, sdkmetric.WithReader(reader))
	}
	if address != "" {
		registry := prometheus.NewRegistry()
		reader, err := otelprom.New(otelprom.WithRegisterer(registry))
		if err != nil {
			return nil, err
		}
		meters = append(meters, sdkmetric.WithReader(reader))
		if err := tel.serve(address, promhttp.HandlerFor(registry, promhttp.HandlerOpts{})); err != nil {
			return nil, err
		}
	}
	tel.traces, tel.meters = sdktrace.NewTracerProvider(traces...), sdkmetric.NewMeterProvider(meters...)
	return tel, nil
}

// exported tells whether the environment names an exporter for the signal, or an endpoint for the one there is by default.
func exported(signal string) bool {
	if exporter := os.Getenv("OTEL_" + signal + "_EXPORTER"); exporter != "" {
		return exporter != "none"
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != ""
}

func (tel *telemetry) serve(address string, metrics http.Handler) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", metrics)
	tel.address, tel.page = l.Addr().String(), &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = tel.page.Serve(l) }()
	return nil
}

// close sends what was not sent yet.
func (tel *telemetry) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second) // the run's own may have ended
	defer cancel()
	err := errors.Join(tel.traces.Shutdown(ctx), tel.meters.Shutdown(ctx))
	if tel.page != nil {
		err = errors.Join(err, tel.page.Close())
	}
	return err
}

// recorder is an exporter that keeps the spans of a scene.
type recorder struct {
	mu    sync.Mutex
	spans []sdktrace.ReadOnlySpan
	off   bool
}

// ExportSpans implements sdktrace.SpanExporter.
func (r *recorder) ExportSpans(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.off {
		r.spans = append(r.spans, spans...)
	}
	return nil
}

// Shutdown implements sdktrace.SpanExporter.
func (r *recorder) Shutdown(context.Context) error { return nil }

// take returns the spans that have ended since the last call.
func (r *recorder) take() []sdktrace.ReadOnlySpan {
	r.mu.Lock()
	defer r.mu.Unlock()
	spans := r.spans
	r.spans = nil
	return spans
}

// stop keeps no more spans.
func (r *recorder) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.off = true
}
