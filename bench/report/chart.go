package report

import (
	"fmt"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/peers"
	"github.com/svcreg/svcreg/bench/show"
)

// Chart shows results as an SVG image.
func Chart(r Results) string {
	return show.Chart(throughputPanel(r), memoryPanel(r), startPanel(r), changePanel(r))
}

// charted are the servers whose throughput is drawn, beside whoami, which is
// the measure.
var charted = []peers.Peer{peers.Hosts, peers.File, peers.Etcd, peers.Kubernetes, peers.Svcreg}

func throughputPanel(r Results) show.Panel {
	p := show.Panel{Title: "Queries a second as a multiple of whoami's, server-bound", Mark: 1}
	for _, k := range fleet.Kinds {
		p.Add(string(k), ratios(r, k, peers.Whoami, charted...)...)
	}
	p.Add("A + prometheus", ratios(r, fleet.A, peers.WhoamiPrometheus, peers.KubernetesPrometheus, peers.SvcregPrometheus)...)
	return p
}

func ratios(r Results, k fleet.Kind, to peers.Peer, servers ...peers.Peer) []show.Bar {
	var bars []show.Bar
	for _, s := range servers {
		if v := ratio(r.find(ServerBound, k, s), r.find(ServerBound, k, to)); v > 0 {
			bars = append(bars, newBar(s, v, show.Number("%.2f", v)))
		}
	}
	return bars
}

func memoryPanel(r Results) show.Panel {
	p := show.Panel{Title: "Resident memory"}
	for _, m := range r.Memory {
		p.Add(fmt.Sprintf("%d services", m.Services), newBar(m.Server, show.Median(m.RSS), show.Megabytes(show.Median(m.RSS))))
	}
	return p
}

func startPanel(r Results) show.Panel {
	p := show.Panel{Title: "Start of the process to the first right answer"}
	for _, s := range r.Start {
		v := show.Median(s.Seconds)
		p.Add(fmt.Sprintf("%d services", s.Services), newBar(s.Server, v, show.Number("%.0f ms", v*1e3)))
	}
	return p
}

func changePanel(r Results) show.Panel {
	p := show.Panel{Title: "Acknowledged write to the new answer, 99th percentile"}
	for _, c := range r.Change {
		label := c.What
		if c.QPS > 0 {
			label += ", under load"
		}
		v := show.Percentile(c.Seconds, 99)
		p.Add(label, newBar(c.Server, v, show.Millis(v)))
	}
	return p
}

// newBar returns the bar of a server's figure.
func newBar(p peers.Peer, value float64, shown string) show.Bar {
	return show.Bar{Name: string(p), Value: value, Shown: shown, Colour: colour(p)}
}

func colour(p peers.Peer) show.Colour {
	switch p {
	case peers.Svcreg, peers.SvcregPrometheus, peers.SvcregSnapshot:
		return show.Ours
	case peers.Kubernetes, peers.KubernetesPrometheus:
		return show.Rival
	}
	return show.Plain
}
