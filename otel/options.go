package otelsmart

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// An Option is a setting of [NewObserver].
type Option func(*config)

type config struct {
	tracers      trace.TracerProvider
	meters       metric.MeterProvider
	propagators  propagation.TextMapPropagator
	instrumented bool
	clientID     bool
}

func newConfig(opts []Option) config {
	c := config{tracers: otel.GetTracerProvider(), meters: otel.GetMeterProvider(), propagators: otel.GetTextMapPropagator()}
	for _, set := range opts {
		if set != nil {
			set(&c)
		}
	}
	return c
}

// WithTracerProvider names the provider of spans; nil and by default the global one.
func WithTracerProvider(p trace.TracerProvider) Option {
	return func(c *config) {
		if p != nil {
			c.tracers = p
		}
	}
}

// WithMeterProvider names the provider of metrics; nil and by default the global one.
func WithMeterProvider(p metric.MeterProvider) Option {
	return func(c *config) {
		if p != nil {
			c.meters = p
		}
	}
}

// WithPropagators names what writes the trace context into the requests to the authorization server and for discovery; nil and
// by default the global one.
func WithPropagators(p propagation.TextMapPropagator) Option {
	return func(c *config) {
		if p != nil {
			c.propagators = p
		}
	}
}

// WithInstrumentedClient says that Config.HTTPClient is instrumented already, as by otelhttp. Its spans then stand for the HTTP
// requests below smartauth.token.acquire, in place of smartauth.discover and smartauth.exchange, and it writes the trace context.
func WithInstrumentedClient() Option { return func(c *config) { c.instrumented = true } }

// WithClientID adds smartauth.client_id to spans and metrics: to tell several clients of one server apart. At Koppeltaal it is
// the id of the application's Device.
func WithClientID() Option { return func(c *config) { c.clientID = true } }
