package announce

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	address  = "192.0.2.100" // of three nodes, node1 has it
	address6 = "2001:db8::1234:5678"
)

var anywhere = map[string]string{"web": "anywhere"}

// three starts nodes and tells them of a service.
func three(t *testing.T, services map[string]string) *fleet {
	t.Helper()
	f := newFleet(t)
	for _, name := range []string{"node1", "node2", "node3"} {
		f.serve(address, services, f.node(name))
	}
	return f
}

// chosen returns the node that is chosen for an address among some.
func chosen(addr string, nodes ...string) string {
	return choose(netip.MustParseAddr(addr), 1, members(nodes...), "")
}

// An address is announced while it is allocated to a service that has a ready
// endpoint, and by one node.
func TestAnnounce(t *testing.T) {
	for _, addr := range []string{address, address6} {
		f := newFleet(t)
		for _, name := range []string{"node1", "node2", "node3"} {
			f.serve(addr, anywhere, f.node(name))
		}
		all := slices.Collect(maps.Values(f.nodes))
		first := chosen(addr, "node1", "node2", "node3")
		f.announced(addr, "")
		f.allocate(addr, "lan", "web")
		f.announced(addr, first)
		f.serve(addr, map[string]string{"web": "down"}, all...)
		f.announced(addr, "")
		f.serve(addr, anywhere, all...)
		f.announced(addr, first)
		f.allocate(addr, "lan", "other")
		f.announced(addr, "")
		f.allocate(addr, "lan", "other", "web")
		f.announced(addr, first)
		f.allocate(addr, "", "web") // from another provider
		f.announced(addr, "")
	}
}

// Only a node with a ready endpoint of its own announces a Local service.
func TestAnnounceLocal(t *testing.T) {
	f := three(t, map[string]string{"web": "on node2"})
	f.allocate(address, "lan", "web")
	f.announced(address, "node2")
	all := slices.Collect(maps.Values(f.nodes))
	f.serve(address, map[string]string{"web": "on node3"}, all...)
	f.announced(address, "node3")
	f.serve(address, map[string]string{"web": "on node4"}, all...)
	f.announced(address, "")
	// Of a service that every node leads to and one that only node3 leads to,
	// node3 leads to both.
	f.allocate(address, "lan", "web", "local")
	f.serve(address, map[string]string{"web": "anywhere", "local": "on node3"}, all...)
	f.announced(address, "node3")
}

// An address moves to a node that comes and is chosen, and back when it goes.
func TestAnnounceMoves(t *testing.T) {
	f := newFleet(t)
	first := chosen(address, "node1", "node2", "node3")
	var others []string
	for _, name := range []string{"node1", "node2", "node3"} {
		if name != first {
			others = append(others, name)
			f.serve(address, anywhere, f.node(name))
		}
	}
	f.allocate(address, "lan", "web")
	second := chosen(address, others...)
	f.announced(address, second)
	n := f.node(first)
	f.serve(address, anywhere, n)
	f.announced(address, first)
	links, _ := n.list(nil)
	n.relink() // its cable is pulled
	f.announced(address, second)
	n.relink(links...)
	f.announced(address, first)
	n.stop()
	f.announced(address, second)
}

// Whether another host has an address is asked before it is announced for the
// first time, and not by whoever takes over.
func TestAnnounceAsks(t *testing.T) {
	f := newFleet(t)
	var probes atomic.Int64
	f.segment.spy = func(s sentFrame) {
		if s.heard.asks == vip4 {
			probes.Add(1)
		}
	}
	first := chosen(address, "node1", "node2")
	second := map[string]string{"node1": "node2", "node2": "node1"}[first]
	f.allocate(address, "lan", "web")
	f.serve(address, anywhere, f.node(first))
	f.announced(address, first)
	if probes.Load() == 0 {
		t.Error("nobody asked whether another host has the address")
	}
	f.serve(address, anywhere, f.node(second))
	f.eventually("the other takes part", func() bool {
		got, err := f.etcd.Client().Get(t.Context(), "/registry/svcreg/announcers/"+second)
		return err == nil && len(got.Kvs) == 1
	})
	probes.Store(0)
	f.nodes[first].stop()
	f.announced(address, second)
	if n := probes.Load(); n != 0 {
		t.Errorf("%d times it was asked who has an address that was svcreg's a moment ago", n)
	}
}

// A node that comes, or whose cable is plugged in again, takes what nobody else
// can announce at once, and what others announce after a while.
func TestAnnounceSettles(t *testing.T) {
	const settle = time.Second
	f := newFleet(t)
	f.adjust = func(a *agent) { a.config.Settle = settle }
	first := chosen(address, "node1", "node2")
	second := map[string]string{"node1": "node2", "node2": "node1"}[first]
	// moves checks that the address moves to the first, and not too soon.
	moves := func(came time.Time) {
		t.Helper()
		f.announced(address, first)
		if took := time.Since(came); took < settle {
			t.Errorf("it moved after %v", took)
		}
	}
	f.allocate(address, "lan", "web")
	f.serve(address, anywhere, f.node(second))
	f.announced(address, second)
	f.eventually("it is settled", func() bool { return !f.joining(second) })
	came := time.Now()
	n := f.node(first)
	f.serve(address, anywhere, n)
	moves(came)
	links, _ := n.list(nil)
	n.relink()
	f.announced(address, second)
	came = time.Now()
	n.relink(links...)
	moves(came)
	f.nodes[second].stop()
	n.stop()
	f.announced(address, "")
	f.adjust = func(a *agent) { a.config.Settle = time.Hour }
	f.serve(address, anywhere, f.node(first))
	f.announced(address, first) // at once, alone as it is
	if !f.joining(first) {
		t.Error("it doesn't say that it has only just come")
	}
}

// A change of a link's Ethernet address is told to everybody.
func TestAnnounceAnew(t *testing.T) {
	f := newFleet(t)
	n := f.node("node1")
	f.serve(address, anywhere, n)
	f.allocate(address, "lan", "web")
	f.announced(address, "node1")
	n.mac = lan(9).mac
	f.segment.take()
	n.relink(lan(9))
	f.eventually("the other Ethernet address is announced", func() bool {
		return slices.ContainsFunc(f.segment.take(), func(s sentFrame) bool { return s.from == n.mac && s.heard.claims == vip4 })
	})
	f.announced(address, "node1")
}

// A node whose lease is gone is silent, and comes back with another.
func TestLeaseRevoked(t *testing.T) {
	f := newFleet(t)
	f.serve(address, anywhere, f.node("node1"))
	f.allocate(address, "lan", "web")
	f.announced(address, "node1")
	got, err := f.etcd.Client().Get(t.Context(), "/registry/svcreg/announced/"+address)
	if err != nil {
		t.Fatal(err)
	}
	id := got.Kvs[0].Lease
	if _, err := f.etcd.Client().Revoke(t.Context(), clientv3.LeaseID(id)); err != nil {
		t.Fatal(err)
	}
	f.eventually("another lease", func() bool {
		got, err := f.etcd.Client().Get(t.Context(), "/registry/svcreg/announced/"+address)
		return err == nil && len(got.Kvs) == 1 && got.Kvs[0].Lease != id
	})
	f.announced(address, "node1")
}

// A node whose claim is another's, whoever wrote that, is silent until it has
// it again.
func TestClaimLost(t *testing.T) {
	f := newFleet(t)
	f.serve(address, anywhere, f.node("node1"))
	f.allocate(address, "lan", "web")
	f.announced(address, "node1")
	const claim = "/registry/svcreg/announced/" + address
	f.put(claim, "another")
	f.eventually("silent", func() bool { return len(f.answers(address)) == 0 })
	if _, err := f.etcd.Client().Delete(t.Context(), claim); err != nil {
		t.Fatal(err)
	}
	f.announced(address, "node1")
}

// While etcd is away nothing is announced; once it is back all is.
func TestEtcdAway(t *testing.T) {
	f := newFleet(t)
	n := f.node("node1")
	f.serve(address, anywhere, n)
	f.allocate(address, "lan", "web")
	f.announced(address, "node1")
	f.etcd.Stop()
	f.eventually("silent", func() bool { return len(f.answers(address)) == 0 })
	f.eventually("told", func() bool { return n.log.Has("this node is silent") })
	f.etcd.Restart()
	f.announced(address, "node1")
}

// An address that another host has is left alone, loudly, until the host is
// gone.
func TestDisputed(t *testing.T) {
	f := newFleet(t)
	f.adjust = func(a *agent) { a.leave = 200 * time.Millisecond }
	n := f.node("node1")
	squatter, err := f.segment.open(lan(99), &arp, func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	f.segment.mu.Lock()
	squatter.(*fakePort).received = func(frame []byte) {
		if h, ok := arp.read(frame); ok && h.asks == vip4 && h.from == n.mac {
			asked.Add(1)
			_ = squatter.send(arp.answer(lan(99).mac, vip4, h))
		}
	}
	f.segment.mu.Unlock()
	f.serve(address, anywhere, n)
	f.allocate(address, "lan", "web")
	f.eventually("the operator is told", func() bool {
		return n.log.Has("another host has an address") && n.log.Has(lan(99).mac.String())
	})
	f.eventually("asked again and again", func() bool { return asked.Load() >= 3 })
	if holder := f.holder(address); holder != "" {
		t.Errorf("claimed by %q", holder)
	}
	squatter.close()
	f.announced(address, "node1")
}

// A record that somebody deleted is written again; one of another node of the
// same name is not.
func TestRecord(t *testing.T) {
	f := newFleet(t)
	n := f.node("node1")
	f.serve(address, anywhere, n)
	f.allocate(address, "lan", "web")
	f.announced(address, "node1")
	const record = "/registry/svcreg/announcers/node1"
	if _, err := f.etcd.Client().Delete(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	f.eventually("the record is there again", func() bool {
		got, err := f.etcd.Client().Get(t.Context(), record)
		return err == nil && len(got.Kvs) == 1
	})
	f.announced(address, "node1")
	f.put(record, `{"subnets": ["192.0.2.0/24"]}`)
	f.announced(address, "")
	f.eventually("told", func() bool { return n.log.Has("another node has the name of this one") })
	if _, err := f.etcd.Client().Delete(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	f.announced(address, "node1")
	// One that can't be read is nobody's.
	f.put("/registry/svcreg/announcers/node0", `{"subnets": ["192.0.2.0"]}`)
	f.eventually("told of the broken one", func() bool { return n.log.Has("ignoring an announcer") })
	f.announced(address, "node1")
}

// A claim that was released, as far as the node knows or not, is nothing to
// rely on.
func TestReleaseInDoubt(t *testing.T) {
	f := newFleet(t)
	c := &claims{f.etcd.Client(), keys{announced: "/announced/"}, "node1"}
	addr := netip.MustParseAddr(address)
	grant, err := f.etcd.Client().Grant(t.Context(), 60)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.take(t.Context(), grant.ID, []netip.Addr{addr}); err != nil {
		t.Fatal(err)
	}
	got, err := f.etcd.Client().Get(t.Context(), "/announced/"+address)
	if err != nil || len(got.Kvs) != 1 {
		t.Fatalf("claim %v, %v", got, err)
	}
	seen := map[netip.Addr]claim{addr: {"node1", grant.ID, got.Kvs[0].ModRevision}}
	// A second one leaves the first one's claim.
	other := &claims{f.etcd.Client(), c.keys, "node2"}
	if _, err := other.take(t.Context(), grant.ID, []netip.Addr{addr}); err != nil {
		t.Fatal(err)
	}
	if again, _ := f.etcd.Client().Get(t.Context(), "/announced/"+address); string(again.Kvs[0].Value) != "node1" {
		t.Errorf("claimed by %s", again.Kvs[0].Value)
	}
	// A release that arrives late leaves what was claimed since.
	if _, err := c.release(t.Context(), seen); err != nil {
		t.Fatal(err)
	}
	if _, err := c.take(t.Context(), grant.ID, []netip.Addr{addr}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.release(t.Context(), seen); err != nil {
		t.Fatal(err)
	}
	if again, _ := f.etcd.Client().Get(t.Context(), "/announced/"+address); len(again.Kvs) != 1 {
		t.Error("a late release took a new claim")
	}
	// More than fit into one transaction.
	var many []netip.Addr
	for a := netip.MustParseAddr("10.0.0.1"); len(many) < 3*batch+1; a = a.Next() {
		many = append(many, a)
	}
	if _, err := c.take(t.Context(), grant.ID, many); err != nil {
		t.Fatal(err)
	}
	all, err := f.etcd.Client().Get(t.Context(), "/announced/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil || all.Count != int64(len(many)+1) {
		t.Errorf("%d claims, want %d (%v)", all.Count, len(many)+1, err)
	}
}

// A fresh node without a registry, or without rules, takes no part.
func TestNotReady(t *testing.T) {
	f := newFleet(t)
	var ready atomic.Bool
	var asked atomic.Int64
	f.adjust = func(a *agent) {
		a.config.Ready = func() bool { asked.Add(1); return ready.Load() }
	}
	n := f.node("node1")
	f.allocate(address, "lan", "web")
	silent := func(what string) {
		t.Helper()
		got, err := f.etcd.Client().Get(t.Context(), "/registry/svcreg/announcers/node1")
		if err != nil || len(got.Kvs) != 0 {
			t.Errorf("takes part with no %s: %v, %v", what, got, err)
		}
	}
	time.Sleep(100 * time.Millisecond)
	silent("registry")
	f.serve(address, anywhere, n)
	f.eventually("it is asked whether the rules stand", func() bool { return asked.Load() >= 3 })
	silent("rules")
	ready.Store(true)
	f.announced(address, "node1")
}

// What is announced is counted where metrics are gathered, until the node ends.
func TestMetrics(t *testing.T) {
	f := newFleet(t)
	gathered := prometheus.NewRegistry()
	f.adjust = func(a *agent) { a.config.Registerer = gathered }
	n := f.node("node1")
	f.serve(address, anywhere, n)
	f.allocate(address, "lan", "web")
	f.announced(address, "node1")
	families, err := gathered.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		values[family.GetName()] = family.Metric[0].GetGauge().GetValue() + family.Metric[0].GetCounter().GetValue()
	}
	for name, want := range map[string]float64{
		"proxyd_announce_addresses": 1, "proxyd_announce_lease_held": 1, "proxyd_announce_wins_total": 1, "proxyd_announce_losses_total": 0,
		"proxyd_announce_disputed_addresses": 0, "proxyd_announce_conflicts_total": 0, "proxyd_announce_leases_lost_total": 0,
	} {
		if got, there := values[name]; !there || got != want {
			t.Errorf("%s is %v (%v), want %v", name, got, there, want)
		}
	}
	n.stop()
	if families, err := gathered.Gather(); err != nil || len(families) != 0 {
		t.Errorf("it has ended, and left %v, %v", families, err)
	}
}

func TestRunValidates(t *testing.T) {
	if err := Run(context.Background(), Config{}); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}
