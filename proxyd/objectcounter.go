package proxyd

import "github.com/prometheus/client_golang/prometheus"

var objectsDesc = prometheus.NewDesc(namespace+"_kernel_objects",
	"What stands in the kernel for the rules: chains and rules, of nftables elements too.", []string{"kind"}, nil)

// sized is a kernel that knows how much stands in it. Sizes may be asked for at
// any time, by any goroutine.
type sized interface {
	Sizes() map[string]int
}

// objectCounter tells what a kernel holds when the metrics are asked for.
type objectCounter struct{ sized }

// Describe sends the one metric there is.
func (objectCounter) Describe(out chan<- *prometheus.Desc) { out <- objectsDesc }

// Collect sends the counts.
func (c objectCounter) Collect(out chan<- prometheus.Metric) {
	for kind, n := range c.Sizes() {
		out <- prometheus.MustNewConstMetric(objectsDesc, prometheus.GaugeValue, float64(n), kind)
	}
}

// holds adds what a kernel holds, if it knows.
func (m *metrics) holds(k kernel) {
	if t, ok := k.(*takeover); ok {
		k = t.kernel
	}
	if s, ok := k.(sized); ok {
		m.registry.MustRegister(objectCounter{s})
	}
}
