package events

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are what this package counts.
type metrics struct {
	prometheus.Collector // of them all

	dropped           *prometheus.CounterVec
	written, failures prometheus.Counter
}

func newMetrics() *metrics {
	all := prometheus.NewRegistry()
	factory := promauto.With(all)
	options := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "proxyd", Subsystem: "events", Name: name, Help: help}
	}
	m := &metrics{
		Collector: all,
		dropped: factory.NewCounterVec(options("dropped_total",
			"Events that are not written, by why: rate (too many of one service), room (etcd is away, or slow), foreign (the registry is an apiserver's)."), []string{"reason"}),
		written:  factory.NewCounter(options("written_total", "Events written, each time that one is counted up.")),
		failures: factory.NewCounter(options("write_failures_total", "Times that events could not be written, which is tried again.")),
	}
	for _, reason := range []string{tooOften, noRoom, foreign} {
		m.dropped.WithLabelValues(reason)
	}
	return m
}
