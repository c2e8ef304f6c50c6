package events

import "github.com/prometheus/client_golang/prometheus"

// metrics are what this package counts.
type metrics struct {
	dropped           *prometheus.CounterVec
	written, failures prometheus.Counter
}

func newMetrics() *metrics {
	options := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "proxyd", Subsystem: "events", Name: name, Help: help}
	}
	m := &metrics{
		dropped: prometheus.NewCounterVec(options("dropped_total",
			"Events that are not written, by why: rate (too many of one service), room (etcd is away, or slow), foreign (the registry is an apiserver's)."), []string{"reason"}),
		written:  prometheus.NewCounter(options("written_total", "Events written, each time that one is counted up.")),
		failures: prometheus.NewCounter(options("write_failures_total", "Times that events could not be written, which is tried again.")),
	}
	for _, reason := range []string{tooOften, noRoom, foreign} {
		m.dropped.WithLabelValues(reason)
	}
	return m
}

// Describe describes all metrics.
func (m *metrics) Describe(descs chan<- *prometheus.Desc) {
	m.dropped.Describe(descs)
	m.written.Describe(descs)
	m.failures.Describe(descs)
}

// Collect collects all metrics.
func (m *metrics) Collect(values chan<- prometheus.Metric) {
	m.dropped.Collect(values)
	m.written.Collect(values)
	m.failures.Collect(values)
}
