package report

import (
	"fmt"
	"math"
	"strconv"

	"github.com/svcreg/svcreg/bench/peers"
	"github.com/svcreg/svcreg/bench/show"
)

func memory(r Results) *show.Table {
	t := &show.Table{Head: []string{"server", "services", "resident", "above no services", "÷ kubernetes", "goal"}}
	for _, m := range r.Memory {
		above, g := r.above(m.Server, m.Services), 0.0
		if m.Server == peers.Svcreg {
			g = memoryGoals[m.Services]
		}
		t.Add(string(m.Server), strconv.Itoa(m.Services), show.Megabytes(show.Median(m.RSS)), show.Megabytes(above),
			show.Number("%.2f", above/r.above(peers.Kubernetes, m.Services)), show.AtMost(above, g, show.Megabytes(g)))
	}
	return t
}

// above returns how much memory a server has resident above svcreg with no
// services; NaN if either wasn't measured, or the server knows no services.
func (r Results) above(p peers.Peer, services int) float64 {
	if !p.Answers() {
		return math.NaN()
	}
	rss := func(p peers.Peer) float64 {
		for _, m := range r.Memory {
			if m.Server == p && m.Services == services {
				return show.Median(m.RSS)
			}
		}
		return math.NaN()
	}
	return rss(p) - rss(peers.SvcregEmpty)
}

func start(r Results) *show.Table {
	t := &show.Table{Head: []string{"server", "services", "first right answer", "slowest", "÷ kubernetes", "goal"}}
	for _, s := range r.Start {
		g := 0.0
		if s.Server == peers.Svcreg {
			g = startGoals[s.Services]
		}
		name := string(s.Server)
		if s.Server == peers.SvcregSnapshot {
			name += ", etcd away"
		}
		t.Add(name, strconv.Itoa(s.Services), show.Number("%.0f ms", show.Median(s.Seconds)*1e3), show.Number("%.0f ms", show.Percentile(s.Seconds, 100)*1e3),
			show.Number("%.2f", show.Median(s.Seconds)/r.kubernetesStart(s.Services)),
			show.AtMost(show.Median(s.Seconds), g, show.Number("%.0f ms", g*1e3)))
	}
	return t
}

// kubernetesStart returns the start of the kubernetes plugin; NaN if it wasn't
// measured.
func (r Results) kubernetesStart(services int) float64 {
	for _, s := range r.Start {
		if s.Server == peers.Kubernetes && s.Services == services {
			return show.Median(s.Seconds)
		}
	}
	return math.NaN()
}

func change(r Results) *show.Table {
	t := &show.Table{Head: []string{"server", "changed", "meanwhile", "p50", "÷ kubernetes", "goal", "p99", "÷ kubernetes", "goal", "longest"}}
	for _, c := range r.Change {
		meanwhile, p50, p99 := "nothing", quietP50Goal, quietP99Goal
		if c.QPS > 0 {
			meanwhile = fmt.Sprintf("%.0f changes/s, %s queries/s", c.Changes, show.Thousands(c.QPS))
			p50, p99 = 0, loadP99Goal
		}
		if c.Server != peers.Svcreg {
			p50, p99 = 0, 0
		}
		half, most := show.Percentile(c.Seconds, 50), show.Percentile(c.Seconds, 99)
		rival := r.kubernetesChange(c)
		t.Add(string(c.Server), c.What, meanwhile, show.Millis(half), show.Number("%.2f", half/show.Percentile(rival, 50)), show.AtMost(half, p50, show.Millis(p50)),
			show.Millis(most), show.Number("%.2f", most/show.Percentile(rival, 99)), show.AtMost(most, p99, show.Millis(p99)), show.Millis(show.Percentile(c.Seconds, 100)))
	}
	return t
}

// kubernetesChange returns the times of the kubernetes plugin for what another
// server's are of.
func (r Results) kubernetesChange(other Change) []float64 {
	for _, c := range r.Change {
		if c.Server == peers.Kubernetes && c.What == other.What && (c.QPS > 0) == (other.QPS > 0) {
			return c.Seconds
		}
	}
	return nil
}
