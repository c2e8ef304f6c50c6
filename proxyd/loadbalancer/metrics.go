package loadbalancer

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/svcreg/svcreg/proxyd/loadbalancer/pool"
)

// metrics are what the controller counts. Those of pools and services stand
// only where this node leads.
type metrics struct {
	prometheus.Collector // of them all

	size, used *prometheus.GaugeVec
	services   *prometheus.GaugeVec
	changes    *prometheus.CounterVec
	hooks      *prometheus.CounterVec
}

func newMetrics() *metrics {
	all := prometheus.NewRegistry()
	factory := promauto.With(all)
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return factory.NewGaugeVec(prometheus.GaugeOpts{Namespace: "proxyd", Subsystem: "loadbalancer", Name: name, Help: help}, labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return factory.NewCounterVec(prometheus.CounterOpts{Namespace: "proxyd", Subsystem: "loadbalancer", Name: name, Help: help}, labels)
	}
	return &metrics{
		Collector: all,
		size:      gauge("pool_addresses", "Addresses of a pool, by family.", "pool", "family"),
		used:      gauge("pool_addresses_held", "Addresses of a pool that services hold, those kept for deleted ones too.", "pool", "family"),
		services:  gauge("services", "Services that want a load balancer, by whether something is wrong: ok or failing.", "state"),
		changes:   counter("address_changes_total", "Addresses that services got (assigned) or lost (freed).", "change"),
		hooks:     counter("hook_calls_total", "Calls of the hook, by what it was told and whether that succeeded.", "action", "result"),
	}
}

// reset forgets what only a leader knows.
func (m *metrics) reset() {
	m.size.Reset()
	m.used.Reset()
	m.services.Reset()
}

// show sets what is the case.
func (m *metrics) show(b *pool.Book, ok, failing int) {
	m.reset()
	type place struct{ pool, family string }
	used := map[place]float64{}
	for c := range b.Claims() {
		used[place{c.Pool, familyName(c.Addr.Is4())}]++
	}
	for _, p := range b.Pools() {
		for _, is4 := range []bool{true, false} {
			at := place{p.Name, familyName(is4)}
			if size := p.Size(is4); size > 0 || used[at] > 0 {
				m.size.WithLabelValues(at.pool, at.family).Set(size)
				m.used.WithLabelValues(at.pool, at.family).Set(used[at])
			}
		}
	}
	m.services.WithLabelValues("ok").Set(float64(ok))
	m.services.WithLabelValues("failing").Set(float64(failing))
}

func familyName(is4 bool) string {
	if is4 {
		return "IPv4"
	}
	return "IPv6"
}
