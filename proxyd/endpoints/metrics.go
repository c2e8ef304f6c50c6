package endpoints

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are what the controller counts.
type metrics struct {
	prometheus.Collector // of them all

	services, pending, refused prometheus.Gauge
	writes                     *prometheus.CounterVec
	failures                   prometheus.Counter
}

func newMetrics() *metrics {
	all := prometheus.NewRegistry()
	factory := promauto.With(all)
	gauge := func(name, help string) prometheus.Gauge {
		return factory.NewGauge(prometheus.GaugeOpts{Namespace: "proxyd", Subsystem: Name, Name: name, Help: help})
	}
	return &metrics{
		Collector: all,
		services:  gauge("services", "Services with a selector that this node looks after; zero unless it leads."),
		pending:   gauge("pending_services", "Services of which the endpoints are to be looked at."),
		refused:   gauge("refused_addresses", "Addresses of pods that no service may lead to, such as loopback."),
		writes: factory.NewCounterVec(prometheus.CounterOpts{
			Namespace: "proxyd", Subsystem: Name, Name: "writes_total", Help: "Objects written, by what was done: put or delete.",
		}, []string{"operation"}),
		failures: factory.NewCounter(prometheus.CounterOpts{
			Namespace: "proxyd", Subsystem: Name, Name: "failures_total", Help: "Services of which the endpoints couldn't be written, and are tried again.",
		}),
	}
}

// reset is for a node that leads no more.
func (m *metrics) reset() {
	for _, g := range []prometheus.Gauge{m.services, m.pending, m.refused} {
		g.Set(0)
	}
}
