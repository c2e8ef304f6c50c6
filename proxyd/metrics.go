package proxyd

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// namespace begins the names of all metrics.
const namespace = "proxyd"

// metrics are what proxyd counts. Each daemon has its own.
type metrics struct {
	registry *prometheus.Registry

	syncs, parts              *prometheus.HistogramVec
	programming               prometheus.Histogram
	lastSync, refusals, aside prometheus.Gauge
	failures, repairs         prometheus.Counter
	ruleset                   atomic.Pointer[rules.Ruleset]
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		syncs:    newDurations("sync_duration_seconds", "Time that a sync took in which the kernel was told something, by its kind: full or partial.", "kind"),
		parts:    newDurations("sync_part_duration_seconds", "Time that a part of a sync took: compile (rules), program (the kernel), flows (those that are stale).", "part"),
		programming: prometheus.NewHistogram(durations("programming_duration_seconds",
			"Time from a change of a service or of its endpoints until the kernel had it.")),
		lastSync: newGauge("sync_last_timestamp_seconds", "When the kernel was last brought in step with the registry."),
		refusals: newGauge("refusals", "Addresses and settings that services ask for and do not get."),
		aside:    newGauge("services_set_aside", "Services of which the kernel refused rules."),
		failures: newCounter("sync_failures_total", "Syncs that failed, or in which the kernel refused rules."),
		repairs:  newCounter("repairs_total", "Times that others had changed rules of ours and these were carried out anew."),
	}
	m.registry.MustRegister(m.syncs, m.parts, m.programming, m.lastSync, m.refusals, m.aside, m.failures, m.repairs,
		&ruleCounter{current: &m.ruleset},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// durations returns what a histogram of times is made with: from a quarter of a
// millisecond to two minutes.
func durations(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{
		Namespace: namespace, Name: name, Help: help,
		Buckets: prometheus.ExponentialBuckets(0.00025, 2, 20), NativeHistogramBucketFactor: 1.05,
	}
}

func newDurations(name, help, label string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(durations(name, help), []string{label})
}

func newGauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help})
}

func newCounter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help})
}

// synced counts a sync that began at some time.
func (m *metrics) synced(full bool, start time.Time) {
	kind := "partial"
	if full {
		kind = "full"
	}
	m.syncs.WithLabelValues(kind).Observe(time.Since(start).Seconds())
}

// took counts a part of a sync.
func (m *metrics) took(part string, start time.Time) {
	m.parts.WithLabelValues(part).Observe(time.Since(start).Seconds())
}

// compiled notes what is to stand in the kernel.
func (m *metrics) compiled(r *rules.Ruleset, refusals int) {
	m.ruleset.Store(r)
	m.refusals.Set(float64(refusals))
}

// gauge adds a value that is asked for when the metrics are.
func (m *metrics) gauge(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, value))
}

// counter is gauge for a value that only grows.
func (m *metrics) counter(name, help string, value func() float64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, value))
}
