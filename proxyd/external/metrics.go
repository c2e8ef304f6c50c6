package external

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are what this package counts. Gauges are zero on nodes that don't
// lead.
type metrics struct {
	prometheus.Collector // of them all

	names, panics                      prometheus.Gauge
	endpoints                          *prometheus.GaugeVec
	checks                             *prometheus.CounterVec
	unresolved, writes, failures, late prometheus.Counter
}

// states are the values of the label of endpoints.
var states = [...]string{"passing", "failing", "refused"}

func newMetrics() *metrics {
	all := prometheus.NewRegistry()
	factory := promauto.With(all)
	gauge := func(name, help string) prometheus.Gauge {
		return factory.NewGauge(prometheus.GaugeOpts{Namespace: "proxyd", Subsystem: "external", Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "proxyd", Subsystem: "external", Name: name, Help: help}
	}
	return &metrics{
		Collector: all,
		names:     gauge("names", "DNS names that are kept resolved."),
		panics:    gauge("services_in_panic", "Services of which so many endpoints fail their checks that all stay in."),
		endpoints: factory.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "proxyd", Subsystem: "external", Name: "endpoints",
			Help: "Endpoints that are checked, by whether they pass, and those that are refused.",
		}, []string{"state"}),
		checks:     factory.NewCounterVec(counter("checks_total", "Health checks, by their result: pass or fail."), []string{"result"}),
		unresolved: factory.NewCounter(counter("resolve_failures_total", "Times that a DNS name could not be resolved.")),
		writes:     factory.NewCounter(counter("writes_total", "Times that a service's endpoints were written.")),
		failures:   factory.NewCounter(counter("write_failures_total", "Times that a service could not be read or written.")),
		late:       factory.NewCounter(counter("checks_late_total", "Checks that had to wait since too many were under way.")),
	}
}

// count notes how many endpoints of a service are in each state.
func (m *metrics) count(s *service, passing, failing, refused int) {
	now := [...]int{passing, failing, refused}
	for i, state := range states {
		m.endpoints.WithLabelValues(state).Add(float64(now[i] - s.counted[i]))
	}
	s.counted = now
}

func (m *metrics) checked(err error) {
	if err != nil {
		m.checks.WithLabelValues("fail").Inc()
		return
	}
	m.checks.WithLabelValues("pass").Inc()
}

// reset is for a node that leads no more.
func (m *metrics) reset() {
	m.names.Set(0)
	m.panics.Set(0)
	m.endpoints.Reset()
}
