package endpoints

import "github.com/prometheus/client_golang/prometheus"

// metrics are what the controller counts.
type metrics struct {
	services, pending, refused prometheus.Gauge
	writes                     *prometheus.CounterVec
	failures                   prometheus.Counter
}

func newMetrics() *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "proxyd", Subsystem: Name, Name: name, Help: help})
	}
	return &metrics{
		services: gauge("services", "Services with a selector that this node looks after; zero unless it leads."),
		pending:  gauge("pending_services", "Services of which the endpoints are to be looked at."),
		refused:  gauge("refused_addresses", "Addresses of pods that no service may lead to, such as loopback."),
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "proxyd", Subsystem: Name, Name: "writes_total", Help: "Objects written, by what was done: put or delete.",
		}, []string{"operation"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "proxyd", Subsystem: Name, Name: "failures_total", Help: "Services of which the endpoints couldn't be written, and are tried again.",
		}),
	}
}

// Describe and Collect make the metrics a prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, ch) }

// Collect sends all metrics.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range []prometheus.Collector{m.services, m.pending, m.refused, m.writes, m.failures} {
		c.Collect(ch)
	}
}

// reset is for a node that leads no more.
func (m *metrics) reset() {
	for _, g := range []prometheus.Gauge{m.services, m.pending, m.refused} {
		g.Set(0)
	}
}
