package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/peers"
)

// Markdown shows results as tables.
func Markdown(r Results) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# svcreg beside its peers: DNS\n\n%d services × %d endpoints, %setcd values in %s. %s\n%s, %d cores, Linux %s, %s, CoreDNS %s.\n",
		r.Services, r.Endpoints, map[bool]string{true: "pods verified, "}[r.Pods], r.Encoding, r.Time.Format(time.DateOnly),
		r.Machine.CPU, r.Machine.Cores, r.Machine.Kernel, r.Machine.Go, r.Machine.CoreDNS)
	section(&b, len(r.Throughput), "Queries a second, server-bound",
		"One core for the server, another for dnsperf. Medians; ratios of rounds that were run next to each other.", serverBound(r))
	b.WriteString(disturbed(r))
	section(&b, len(r.Throughput), "Queries a second, unpinned", "Server and dnsperf share all cores. A records.", unpinned(r))
	section(&b, len(r.Memory), "Resident memory", "After some questions, in medians.", memory(r))
	section(&b, len(r.Start), "Start", "From the start of the process to the first right answer, in medians.", start(r))
	section(&b, len(r.Change), "Change", "From the acknowledged write to the new answer.", change(r))
	return b.String()
}

// section writes a section if there is something to show.
func section(b *strings.Builder, n int, title, text string, t *table) {
	if n > 0 && len(t.rows) > 0 {
		fmt.Fprintf(b, "\n## %s\n\n%s\n\n%s", title, text, t)
	}
}

// find returns the throughput of a server at a kind, or one without rounds.
func (r Results) find(mode Mode, k fleet.Kind, p peers.Peer) Throughput {
	i := slices.IndexFunc(r.Throughput, func(t Throughput) bool {
		return t.Mode == mode && t.Kind == k && t.Server == p
	})
	if i < 0 {
		return Throughput{}
	}
	return r.Throughput[i]
}

// tableOrder is the order of servers in tables.
var tableOrder = []peers.Peer{
	peers.Whoami, peers.Hosts, peers.File, peers.Etcd, peers.EtcdCache, peers.Kubernetes, peers.Svcreg,
	peers.WhoamiPrometheus, peers.KubernetesPrometheus, peers.SvcregPrometheus,
}

func serverBound(r Results) *table {
	t := &table{head: []string{"question", "server", "queries/s", "CPU s per 100k", "÷ whoami", "goal", "÷ kubernetes", "goal"}}
	for _, k := range fleet.Kinds {
		for _, p := range tableOrder {
			if one := r.find(ServerBound, k, p); len(one.Rounds) > 0 {
				t.add(serverBoundRow(r, one)...)
			}
		}
	}
	return t
}

func serverBoundRow(r Results, t Throughput) []string {
	ceiling, rival := peers.Whoami, peers.Kubernetes
	var g goal
	switch t.Server {
	case peers.WhoamiPrometheus, peers.KubernetesPrometheus:
		ceiling, rival = peers.WhoamiPrometheus, peers.KubernetesPrometheus
	case peers.SvcregPrometheus:
		ceiling, rival, g = peers.WhoamiPrometheus, peers.KubernetesPrometheus, prometheusGoal
	case peers.Svcreg:
		g = goals[t.Kind]
	}
	toCeiling := ratio(t, r.find(ServerBound, t.Kind, ceiling))
	toRival := ratio(t, r.find(ServerBound, t.Kind, rival))
	return []string{
		string(t.Kind), string(t.Server), thousands(t.median(qps)), processorTime(t),
		number("%.2f", toCeiling), atLeast(toCeiling, g.whoami), number("%.2f", toRival), atLeast(toRival, g.kubernetes),
	}
}

// processorTime shows a server's processor time, and etcd's where it takes
// part in answers.
func processorTime(t Throughput) string {
	text := number("%.2f", t.median(cpu))
	if t.Server == peers.Etcd || t.Server == peers.EtcdCache {
		text += number(" + %.2f of etcd", t.median(etcdCPU))
	}
	return text
}

// enough is how much of its core a server must have used for its queries a
// second to say what it can do.
const enough = 0.95

// disturbed tells how many figures come from servers that left their core idle
// or had to share it. Those that wait for etcd don't count.
func disturbed(r Results) string {
	all, few, least := 0, 0, enough
	for _, t := range r.Throughput {
		if t.Mode != ServerBound || t.Server == peers.Etcd {
			continue
		}
		all++
		if share := t.median(busy); share < enough {
			few, least = few+1, min(least, share)
		}
	}
	if few == 0 {
		return ""
	}
	return fmt.Sprintf("\n%d of %d servers had less than their core, the least %.0f%% of it: something else ran on this machine, "+
		"or dnsperf could not keep up. CPU seconds say more about them than queries a second.\n", few, all, 100*least)
}

func unpinned(r Results) *table {
	t := &table{head: []string{"server", "queries/s", "CPU s per 100k", "÷ whoami", "÷ etcd", "goal"}}
	for _, p := range tableOrder {
		one := r.find(Unpinned, fleet.A, p)
		if len(one.Rounds) == 0 {
			continue
		}
		var g float64
		if p == peers.Svcreg {
			g = etcdGoal
		}
		toEtcd := ratio(one, r.find(Unpinned, fleet.A, peers.Etcd))
		t.add(string(p), thousands(one.median(qps)), processorTime(one),
			number("%.2f", ratio(one, r.find(Unpinned, fleet.A, peers.Whoami))), number("%.1f", toEtcd), atLeast(toEtcd, g))
	}
	return t
}

func memory(r Results) *table {
	t := &table{head: []string{"server", "services", "resident", "above no services", "goal"}}
	for _, m := range r.Memory {
		above, g := math.NaN(), 0.0
		i := slices.IndexFunc(r.Memory, func(o Memory) bool { return o.Server == peers.SvcregEmpty && o.Services == m.Services })
		if m.Server.Answers() && i >= 0 {
			above = Median(m.RSS) - Median(r.Memory[i].RSS)
		}
		if m.Server == peers.Svcreg {
			g = memoryGoals[m.Services]
		}
		t.add(string(m.Server), fmt.Sprint(m.Services), megabytes(Median(m.RSS)), megabytes(above), atMost(above, g, megabytes(g)))
	}
	return t
}

func start(r Results) *table {
	t := &table{head: []string{"server", "services", "first right answer", "slowest", "goal"}}
	for _, s := range r.Start {
		g := 0.0
		if s.Server == peers.Svcreg {
			g = startGoals[s.Services]
		}
		name := string(s.Server)
		if s.Server == peers.SvcregSnapshot {
			name += ", etcd away"
		}
		t.add(name, fmt.Sprint(s.Services), number("%.0f ms", Median(s.Seconds)*1e3), number("%.0f ms", Percentile(s.Seconds, 100)*1e3),
			atMost(Median(s.Seconds), g, number("%.0f ms", g*1e3)))
	}
	return t
}

func change(r Results) *table {
	t := &table{head: []string{"server", "changed", "meanwhile", "p50", "goal", "p99", "goal", "longest"}}
	for _, c := range r.Change {
		meanwhile, p50, p99 := "nothing", quietP50Goal, quietP99Goal
		if c.QPS > 0 {
			meanwhile = fmt.Sprintf("%.0f changes/s, %s queries/s", c.Changes, thousands(c.QPS))
			p50, p99 = 0, loadP99Goal
		}
		if c.Server != peers.Svcreg {
			p50, p99 = 0, 0
		}
		half, most := Percentile(c.Seconds, 50), Percentile(c.Seconds, 99)
		t.add(string(c.Server), c.What, meanwhile, millis(half), atMost(half, p50, millis(p50)),
			millis(most), atMost(most, p99, millis(p99)), millis(Percentile(c.Seconds, 100)))
	}
	return t
}
