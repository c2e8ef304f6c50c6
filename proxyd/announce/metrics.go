package announce

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what this node announces.
type metrics struct {
	announced, disputed, lease prometheus.Gauge
	wins, losses               prometheus.Counter
	conflicts, leasesLost      prometheus.Counter
	frames                     *prometheus.CounterVec
}

func newMetrics() *metrics {
	return &metrics{
		announced:  gauge("addresses", "Addresses that this node announces."),
		disputed:   gauge("disputed_addresses", "Addresses that this node should announce, but another host answers for."),
		lease:      gauge("lease_held", "Whether this node holds its lease in etcd; without it, it announces nothing."),
		wins:       counter("wins_total", "Addresses that this node began to announce."),
		losses:     counter("losses_total", "Addresses that this node ceased to announce."),
		conflicts:  counter("conflicts_total", "Times that another host said it had an address that this node announces, or was about to."),
		leasesLost: counter("leases_lost_total", "Times that this node could not be sure of its lease."),
		frames: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "proxyd", Subsystem: "announce", Name: "frames_total",
			Help: "Frames sent, by protocol (arp, ndp) and kind (answer, announcement, probe).",
		}, []string{"protocol", "kind"}),
	}
}

func gauge(name, help string) prometheus.Gauge {
	return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "proxyd", Subsystem: "announce", Name: name, Help: help})
}

func counter(name, help string) prometheus.Counter {
	return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "proxyd", Subsystem: "announce", Name: name, Help: help})
}

// register adds the metrics to a registerer, and returns what takes them out.
func (m *metrics) register(r prometheus.Registerer) (func(), error) {
	all := []prometheus.Collector{m.announced, m.disputed, m.lease, m.wins, m.losses, m.conflicts, m.leasesLost, m.frames}
	remove := func() {
		for _, c := range all {
			r.Unregister(c)
		}
	}
	for _, c := range all {
		if err := r.Register(c); err != nil {
			remove()
			return nil, fmt.Errorf("announce: %w", err)
		}
	}
	return remove, nil
}
