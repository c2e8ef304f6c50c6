package announce

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics count what this node announces.
type metrics struct {
	prometheus.Collector // of them all

	announced, disputed, lease prometheus.Gauge
	wins, losses               prometheus.Counter
	conflicts, leasesLost      prometheus.Counter
	frames                     *prometheus.CounterVec
}

func newMetrics() *metrics {
	all := prometheus.NewRegistry()
	factory := promauto.With(all)
	gauge := func(name, help string) prometheus.Gauge {
		return factory.NewGauge(prometheus.GaugeOpts{Namespace: "proxyd", Subsystem: "announce", Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return factory.NewCounter(prometheus.CounterOpts{Namespace: "proxyd", Subsystem: "announce", Name: name, Help: help})
	}
	return &metrics{
		Collector:  all,
		announced:  gauge("addresses", "Addresses that this node announces."),
		disputed:   gauge("disputed_addresses", "Addresses that this node should announce, but another host answers for."),
		lease:      gauge("lease_held", "Whether this node holds its lease in etcd; without it, it announces nothing."),
		wins:       counter("wins_total", "Addresses that this node began to announce."),
		losses:     counter("losses_total", "Addresses that this node ceased to announce."),
		conflicts:  counter("conflicts_total", "Times that another host said it had an address that this node announces, or was about to."),
		leasesLost: counter("leases_lost_total", "Times that this node could not be sure of its lease."),
		frames: factory.NewCounterVec(prometheus.CounterOpts{
			Namespace: "proxyd", Subsystem: "announce", Name: "frames_total",
			Help: "Frames sent, by protocol (arp, ndp) and kind (answer, announcement, probe).",
		}, []string{"protocol", "kind"}),
	}
}
