package otelsmart

import (
	"math"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// gauges holds one value for each set of attributes. Several Sources may have the same; the one to worry about is reported.
type gauges map[attribute.Distinct]gauge

type gauge struct {
	attributes attribute.Set
	value      float64
}

func (g gauges) least(set attribute.Set, value float64) {
	if old, ok := g[set.Equivalent()]; !ok || value < old.value {
		g[set.Equivalent()] = gauge{set, value}
	}
}

func (g gauges) farthest(set attribute.Set, value float64) {
	if old, ok := g[set.Equivalent()]; !ok || math.Abs(value) > math.Abs(old.value) {
		g[set.Equivalent()] = gauge{set, value}
	}
}

func (g gauges) observe(o metric.Observer, instrument metric.Float64Observable) {
	for _, v := range g {
		o.ObserveFloat64(instrument, v.value, metric.WithAttributeSet(v.attributes))
	}
}
