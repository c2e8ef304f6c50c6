package report

import (
	"fmt"
	"slices"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/peers"
	"github.com/svcreg/svcreg/bench/show"
)

// tableOrder is the order of servers in tables.
var tableOrder = []peers.Peer{
	peers.Whoami, peers.Hosts, peers.File, peers.Etcd, peers.EtcdCache, peers.Kubernetes, peers.Svcreg,
	peers.WhoamiPrometheus, peers.KubernetesPrometheus, peers.SvcregPrometheus,
}

func serverBound(r Results) *show.Table {
	t := &show.Table{Head: []string{"question", "server", "queries/s", "CPU s per 100k", "÷ whoami", "goal", "÷ kubernetes", "goal"}}
	for _, k := range fleet.Kinds {
		for _, p := range tableOrder {
			if one := r.find(ServerBound, k, p); len(one.Rounds) > 0 {
				t.Add(serverBoundRow(r, one)...)
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
		string(t.Kind), string(t.Server), show.Thousands(t.median(qps)), processorTime(t),
		show.Number("%.2f", toCeiling), show.AtLeast(toCeiling, g.whoami), show.Number("%.2f", toRival), show.AtLeast(toRival, g.kubernetes),
	}
}

// processorTime shows a server's processor time, and etcd's where it takes
// part in answers.
func processorTime(t Throughput) string {
	text := show.Number("%.2f", t.median(cpu))
	if t.Server == peers.Etcd || t.Server == peers.EtcdCache {
		text += show.Number(" + %.2f of etcd", t.median(etcdCPU))
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

func unpinned(r Results) *show.Table {
	t := &show.Table{Head: []string{"server", "queries/s", "CPU s per 100k", "÷ whoami", "÷ etcd", "goal"}}
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
		t.Add(string(p), show.Thousands(one.median(qps)), processorTime(one),
			show.Number("%.2f", ratio(one, r.find(Unpinned, fleet.A, peers.Whoami))), show.Number("%.1f", toEtcd), show.AtLeast(toEtcd, g))
	}
	return t
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
