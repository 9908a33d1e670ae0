package otelsmart

import (
	"maps"
	"reflect"
	"sync"
	"weak"

	smartauth "github.com/smartauth-go/smartauth/core"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Observers of one MeterProvider share their metrics: of two instruments that report the same series, the SDK would keep
// one. The addresses keep nothing alive. A provider and its metrics hold each other, and go together.
var (
	sharedMu sync.Mutex
	shared   = map[sharedKey]weak.Pointer[metrics]{}
)

type sharedKey struct {
	provider uintptr
	of       reflect.Type
	clientID bool
}

// metricsOf returns the metrics of the provider, which do nothing if it panics, as a nil pointer may.
func metricsOf(p metric.MeterProvider, clientID bool) (m *metrics) {
	defer func() {
		if r := recover(); r != nil {
			handlePanic("the MeterProvider", r)
			m = newMetrics(metricnoop.NewMeterProvider().Meter(ScopeName), clientID)
		}
	}()
	sharedMu.Lock()
	defer sharedMu.Unlock()
	key := sharedKey{clientID: clientID}
	if v := reflect.ValueOf(p); v.Kind() == reflect.Pointer && !v.IsNil() && v.Type().Elem().Size() > 0 {
		key.provider, key.of = v.Pointer(), v.Type()
	}
	if m = shared[key].Value(); m == nil {
		m = newMetrics(p.Meter(ScopeName, metric.WithInstrumentationVersion(version), metric.WithSchemaURL(semconv.SchemaURL)), clientID)
		m.provider = p
		maps.DeleteFunc(shared, func(_ sharedKey, old weak.Pointer[metrics]) bool { return old.Value() == nil })
		if key.of != nil {
			shared[key] = weak.Make(m)
		}
	}
	m.users++
	return m
}

// release takes the Sources of o out, and with the last Observer the metrics that are asked for.
func (m *metrics) release(o *Observer) error {
	sharedMu.Lock()
	defer sharedMu.Unlock()
	m.mu.Lock()
	maps.DeleteFunc(m.sources, func(_ weak.Pointer[smartauth.Source], w *watched) bool { return w.observer == o })
	m.mu.Unlock()
	if m.users--; m.users > 0 || m.collection == nil { // or it could not be registered
		return nil
	}
	maps.DeleteFunc(shared, func(_ sharedKey, p weak.Pointer[metrics]) bool { return p.Value() == m })
	return m.collection.Unregister()
}
