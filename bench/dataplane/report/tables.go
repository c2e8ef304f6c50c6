package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/svcreg/svcreg/bench/dataplane/shape"
	"github.com/svcreg/svcreg/bench/show"
)

// Markdown shows results as tables.
func Markdown(r Results) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# svcreg beside its peers: the data plane\n\n%s\n%s, %d cores, Linux %s, %s, %s, %s.\n",
		r.Time.Format(time.DateOnly), r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel, r.Machine.Go, r.Machine.IPTables, r.Machine.NFTables)
	b.WriteString(`
Linear is kube-proxy's iptables shape: one list of all services, a chain for each of them, a chain for each endpoint.
Tree and maps are svcreg's. Medians; ratios are of rounds that were run next to each other.
Linear is compared with the tree of the same backend, and that of iptables-nft with the maps.
`)
	b.WriteString(flows(&r).Section("New flow",
		"What the first UDP packet of a flow takes from the client's cable through the node to the pods' host, one at a time, on one processor; "+
			"less than a microsecond of it is the sender's. Tracking is a node that tracks connections and translates none, forwarding one that does neither."))
	b.WriteString(connections(&r).Section("TCP connections",
		"One after another: opened to a service, and reset once it stands. Without services, to an endpoint."))
	b.WriteString(programming(&r).Section("Programming the kernel",
		"From nothing, and one endpoint of a service swapped; for linear that is kube-proxy's partial sync. "+
			"Linear by iptables-nft is loaded all at once up to 1000 services, as kube-proxy does it, and else 100 services at a time: all at once takes minutes. "+
			"Memory is by how much slab, vmalloc and per-CPU memory (/proc/meminfo) grew."))
	b.WriteString(daemon(&r).Section("The daemon",
		"Start is from the start of the process, with nothing in the kernel, until services from all over the registry are reached; the list comes from etcd. Restart is with all rules there, until a change from meanwhile is in force. Idle is processor time while nothing changes."))
	b.WriteString(endToEnd(&r).Section("End to end",
		"From the acknowledged write of one endpoint to etcd until the first packet of a new flow arrives at it. A flow begins every 0.2 ms."))
	return b.String()
}

// rows calls a function for each size and shape that a measure has figures of:
// sizes in the order of the run, shapes in that of shape.All.
func (r *Results) rows(m Measure, row func(n Size, s shape.Name)) {
	seen := map[Size]bool{}
	for _, f := range r.Figures {
		if f.Measure != m || seen[f.Size] {
			continue
		}
		seen[f.Size] = true
		for _, s := range shape.All {
			if r.Find(m, s.Name, f.Size) != nil {
				row(f.Size, s.Name)
			}
		}
	}
}

func flows(r *Results) *show.Table {
	t := &show.Table{Head: []string{"services", "shape", "first", "last", "÷ at 10", "goal", "linear ÷ this", "goal", "no service", "÷ tracking", "goal"}}
	r.rows(FlowNone, func(n Size, s shape.Name) {
		first, last, none := r.Find(FlowFirst, s, n), r.Find(FlowLast, s, n), r.Find(FlowNone, s, n)
		flat := show.Ratio(last, r.Find(FlowLast, s, smallest))
		passing := show.Ratio(none, r.Find(FlowNone, shape.Tracking, n))
		times := r.times(FlowLast, s, n)
		t.Add(n.String(), string(s), micros(first), micros(last),
			show.Number("%.2f", flat), show.AtMost(flat, when(s.IsOurs() && (n == large || n == largest), flatGoal), show.Number("%.2f", flatGoal)),
			show.Number("%.1f", times), show.AtLeast(times, when(n == large, flowGoal)),
			micros(none), show.Number("%.2f", passing), show.AtMost(passing, when(s.IsOurs(), passingGoal), show.Number("%.2f", passingGoal)))
	})
	return t
}

func connections(r *Results) *show.Table {
	t := &show.Table{Head: []string{"services", "shape", "connections/s", "÷ forwarding", "÷ linear", "connect p50"}}
	r.rows(Connections, func(n Size, s shape.Name) {
		rate := r.Find(Connections, s, n)
		t.Add(n.String(), string(s), show.Thousands(show.Median(rate)), show.Number("%.2f", show.Ratio(rate, r.Find(Connections, shape.Forwarding, n))),
			show.Number("%.1f", 1/r.times(Connections, s, n)), micros(r.Find(Connect, s, n)))
	})
	return t
}

func programming(r *Results) *show.Table {
	t := &show.Table{Head: []string{"services", "shape", "full load", "linear ÷ this", "one change", "goal", "linear ÷ this", "goal", "memory of the kernel", "linear ÷ this"}}
	r.rows(Load, func(n Size, s shape.Name) {
		load, change, memory := r.Find(Load, s, n), r.Find(Change, s, n), r.Find(Memory, s, n)
		times, took := r.times(Change, s, n), show.Median(change)
		t.Add(n.String(), string(s), show.Number("%.0f ms", show.Median(load)*1e3), show.Number("%.1f", r.times(Load, s, n)),
			show.Millis(took), show.AtMost(took, when(s == shape.Maps, mapsChangeGoal), show.Millis(mapsChangeGoal)),
			show.Number("%.1f", times), show.AtLeast(times, when(n == large && s != shape.Maps, changeGoal)),
			show.Megabytes(show.Median(memory)), show.Number("%.1f", r.grown(s, n)))
	})
	return t
}

func daemon(r *Results) *show.Table {
	t := &show.Table{Head: []string{"services", "shape", "start", "goal", "restart", "resident", "goal", "idle", "goal"}}
	r.rows(Start, func(n Size, s shape.Name) {
		start, resident, idle := show.Median(r.Find(Start, s, n)), show.Median(r.Find(Resident, s, n)), show.Median(r.Find(Idle, s, n))
		first, most := startGoal(s, n), when(n == large, residentGoal)
		t.Add(n.String(), string(s), show.Number("%.0f ms", start*1e3), show.AtMost(start, first, show.Number("%.0f ms", first*1e3)),
			show.Number("%.0f ms", show.Median(r.Find(Restart, s, n))*1e3),
			show.Megabytes(resident), show.AtMost(resident, most, show.Megabytes(most)),
			show.Number("%.2f%%", idle*100), show.AtMost(idle, idleGoal, show.Number("%.2f%%", idleGoal*100)))
	})
	return t
}

func endToEnd(r *Results) *show.Table {
	t := &show.Table{Head: []string{"services", "shape", "meanwhile", "changes", "p50", "p99", "goal", "longest"}}
	for _, m := range []Measure{EndToEnd, Busy} {
		r.rows(m, func(n Size, s shape.Name) {
			meanwhile, values := "nothing", r.Find(m, s, n)
			if m == Busy {
				meanwhile = show.Number("%.0f other changes/s", show.Median(r.Find(BusyRate, s, n)))
			}
			most, goal := show.Percentile(values, 99), endToEndGoal(s, n)
			t.Add(n.String(), string(s), meanwhile, strconv.Itoa(len(values)), show.Millis(show.Percentile(values, 50)),
				show.Millis(most), show.AtMost(most, goal, show.Millis(goal)), show.Millis(show.Percentile(values, 100)))
		})
	}
	return t
}

func micros(values []float64) string { return show.Number("%.2f µs", show.Median(values)*1e6) }
