package proxyd

import (
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/svcreg/svcreg/proxyd/rules"
)

var rulesDesc = prometheus.NewDesc(namespace+"_rules",
	"Addresses, protocols and ports of services that stand in the kernel: those of portal IPs, of public addresses and of node ports, and of all of them those that refuse or drop connections for want of endpoints.",
	[]string{"kind"}, nil)

// ruleCounter counts rules by their kind when the metrics are asked for, and
// not with each sync, so that a sync costs the same however many there are.
type ruleCounter struct {
	current *atomic.Pointer[rules.Ruleset]

	mu      sync.Mutex
	counted *rules.Ruleset
	counts  map[string]int
}

// Describe sends the one metric there is.
func (c *ruleCounter) Describe(out chan<- *prometheus.Desc) { out <- rulesDesc }

// Collect sends the counts; a ruleset is counted once.
func (c *ruleCounter) Collect(out chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.current.Load(); c.counts == nil || r != c.counted {
		c.counted, c.counts = r, countRules(r)
	}
	for kind, n := range c.counts {
		out <- prometheus.MustNewConstMetric(rulesDesc, prometheus.GaugeValue, float64(n), kind)
	}
}

func countRules(r *rules.Ruleset) map[string]int {
	counts := map[string]int{"portal": 0, "public": 0, "nodeport": 0, "refusing": 0, "dropping": 0}
	if r == nil {
		return counts
	}
	for rule := range r.Rules() {
		switch {
		case rule.IsNodePort():
			counts["nodeport"]++
		case rule.External:
			counts["public"]++
		default:
			counts["portal"]++
		}
		switch {
		case len(rule.Backends) > 0:
		case rule.Drop:
			counts["dropping"]++
		default:
			counts["refusing"]++
		}
	}
	return counts
}
