package report

import (
	"fmt"
	"slices"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/peers"
)

// Chart shows results as an SVG image. Its colours can be told apart on a
// light background and on a dark one.
func Chart(r Results) string {
	d := &drawing{}
	for _, p := range []panel{throughputPanel(r), memoryPanel(r), startPanel(r), changePanel(r)} {
		if len(p.groups) > 0 {
			d.panel(p)
		}
	}
	return d.String()
}

// panel is a part of the chart: bars of one scale.
type panel struct {
	title  string
	groups []group
	mark   float64 // where a line stands across the bars; 0 for none
}

// group is bars that belong together.
type group struct {
	label string
	bars  []bar
}

// bar is one figure.
type bar struct {
	server peers.Peer
	value  float64
	shown  string
}

// charted are the servers whose throughput is drawn, beside whoami, which is
// the measure.
var charted = []peers.Peer{peers.Hosts, peers.File, peers.Etcd, peers.Kubernetes, peers.Svcreg}

func throughputPanel(r Results) panel {
	p := panel{title: "Queries a second as a multiple of whoami's, server-bound", mark: 1}
	for _, k := range fleet.Kinds {
		p.add(string(k), ratios(r, k, peers.Whoami, charted...))
	}
	p.add("A + prometheus", ratios(r, fleet.A, peers.WhoamiPrometheus, peers.KubernetesPrometheus, peers.SvcregPrometheus))
	return p
}

// add appends a group if it has bars.
func (p *panel) add(label string, bars []bar) {
	if len(bars) > 0 {
		p.groups = append(p.groups, group{label, bars})
	}
}

func ratios(r Results, k fleet.Kind, to peers.Peer, servers ...peers.Peer) []bar {
	var bars []bar
	for _, s := range servers {
		if v := ratio(r.find(ServerBound, k, s), r.find(ServerBound, k, to)); v > 0 {
			bars = append(bars, bar{s, v, number("%.2f", v)})
		}
	}
	return bars
}

func memoryPanel(r Results) panel {
	p := panel{title: "Resident memory"}
	for _, n := range sizes(r.Memory, func(m Memory) int { return m.Services }) {
		var bars []bar
		for _, m := range r.Memory {
			if m.Services == n {
				bars = append(bars, bar{m.Server, Median(m.RSS), megabytes(Median(m.RSS))})
			}
		}
		p.add(fmt.Sprintf("%d services", n), bars)
	}
	return p
}

func startPanel(r Results) panel {
	p := panel{title: "Start of the process to the first right answer"}
	for _, n := range sizes(r.Start, func(s Start) int { return s.Services }) {
		var bars []bar
		for _, s := range r.Start {
			if s.Services == n {
				bars = append(bars, bar{s.Server, Median(s.Seconds), number("%.0f ms", Median(s.Seconds)*1e3)})
			}
		}
		p.add(fmt.Sprintf("%d services", n), bars)
	}
	return p
}

func changePanel(r Results) panel {
	p := panel{title: "Acknowledged write to the new answer, 99th percentile"}
	for _, c := range r.Change {
		label := c.What
		if c.QPS > 0 {
			label += ", under load"
		}
		i := slices.IndexFunc(p.groups, func(g group) bool { return g.label == label })
		if i < 0 {
			i, p.groups = len(p.groups), append(p.groups, group{label: label})
		}
		v := Percentile(c.Seconds, 99)
		p.groups[i].bars = append(p.groups[i].bars, bar{c.Server, v, millis(v)})
	}
	return p
}

// sizes returns the numbers of services in a list of results, each once.
func sizes[T any](list []T, size func(T) int) []int {
	var found []int
	for _, one := range list {
		if !slices.Contains(found, size(one)) {
			found = append(found, size(one))
		}
	}
	return found
}
