package registrytest

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Metric returns what a gauge or a counter is at.
func Metric(tb testing.TB, metric prometheus.Metric) float64 {
	tb.Helper()
	var m dto.Metric
	if err := metric.Write(&m); err != nil {
		tb.Error(err)
	}
	return m.GetGauge().GetValue() + m.GetCounter().GetValue()
}
