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

	syncs       *prometheus.HistogramVec
	failures    prometheus.Counter
	lastSync    prometheus.Gauge
	programming prometheus.Histogram
	refusals    prometheus.Gauge
	deleted     prometheus.Counter
	ruleset     atomic.Pointer[rules.Ruleset]
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		syncs: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: namespace, Name: "sync_duration_seconds",
			Help:    "Time to carry out rules in the kernel, by kind of sync.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 16),
		}, []string{"kind"}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "sync_failures_total",
			Help: "Syncs that failed, or in which the kernel refused rules.",
		}),
		lastSync: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "sync_last_timestamp_seconds",
			Help: "When the kernel was last brought in step with the registry.",
		}),
		programming: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: namespace, Name: "programming_duration_seconds",
			Help:    "Time from a change's arrival from etcd until the kernel has it.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 18),
		}),
		refusals: prometheus.NewGauge(prometheus.GaugeOpts{
			Namespace: namespace, Name: "refusals",
			Help: "Addresses that services ask for and do not get.",
		}),
		deleted: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "stale_flows_deleted_total",
			Help: "UDP flows that the kernel was made to forget.",
		}),
	}
	m.registry.MustRegister(m.syncs, m.failures, m.lastSync, m.programming, m.refusals, m.deleted,
		&ruleCounter{current: &m.ruleset},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// synced counts a sync.
func (m *metrics) synced(full bool, took time.Duration, err error) {
	kind := "partial"
	if full {
		kind = "full"
	}
	m.syncs.WithLabelValues(kind).Observe(took.Seconds())
	if err != nil {
		m.failures.Inc()
	}
}

// programmed notes that all changes since a time stand in the kernel; the
// zero time stands for none.
func (m *metrics) programmed(since time.Time) {
	now := time.Now()
	m.lastSync.Set(float64(now.UnixNano()) / float64(time.Second))
	if !since.IsZero() {
		m.programming.Observe(now.Sub(since).Seconds())
	}
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
