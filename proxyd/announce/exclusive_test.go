package announce

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// Whatever changes, and whoever sees it first: a node speaks for an address
// only while it holds the claim. Each frame is held against etcd while it is
// sent. In the end all is as if nothing had happened.
func TestExclusive(t *testing.T) {
	const addrs, changes = 8, 60
	f := newFleet(t)
	var spoken atomic.Int64
	f.segment.spy = func(s sentFrame) {
		if !s.heard.claims.IsValid() {
			return // it only asks
		}
		spoken.Add(1)
		holder := f.holder(s.heard.claims.String())
		if n := f.nodes[holder]; n == nil || n.mac != s.from {
			t.Errorf("%v speaks for %v, which %q has claimed", s.from, s.heard.claims, holder)
		}
	}
	names := []string{"node1", "node2", "node3"}
	for _, name := range names {
		f.nodes[name] = &fakeNode{name: name, mac: lan(byte(0x10 + len(f.nodes))).mac, feed: &Feed{}, changed: make(chan struct{}, 1), log: &registrytest.Log{}, links: []link{lan(byte(0x10 + len(f.nodes)))}}
	}
	full, all := many(t, addrs, "Cluster")
	for _, name := range names {
		f.node(name).feed.Put(full, all)
	}
	for i := range addrs {
		f.allocate(manyAddr(i).String(), "lan", fmt.Sprint("web", i))
	}
	settled := func() {
		f.eventually("every address is announced by who is chosen", func() bool {
			for i := range addrs {
				if f.holder(manyAddr(i).String()) != chosen(manyAddr(i).String(), names...) {
					return false
				}
			}
			return true
		})
	}
	settled()
	local, _ := many(t, addrs, "Local")
	down, _ := many(t, addrs, "")
	for range changes {
		n := f.nodes[names[rand.IntN(len(names))]]
		switch rand.IntN(5) {
		case 0:
			n.feed.Put(down, all)
		case 1:
			n.feed.Put(local, all)
		case 2:
			n.relink()
		case 3:
			n.stop()
			f.node(n.name).feed.Put(full, all)
		case 4:
			f.segment.say(question(manyAddr(rand.IntN(addrs))))
		}
		time.Sleep(rand.N(20 * time.Millisecond))
		n.feed.Put(full, all)
		n.relink(link{1, "lan", n.mac, lan(0).subnets, false})
	}
	settled()
	if spoken.Load() < addrs {
		t.Errorf("only %d frames", spoken.Load())
	}
	// Their ends are part of it.
	for _, n := range slices.Collect(maps.Values(f.nodes)) {
		n.stop()
	}
}

func manyAddr(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(100 + i)}) }

// many returns a registry of services with an address each; without a policy
// they have no endpoints.
func many(t *testing.T, n int, policy string) (*registry.Snapshot, *registry.Changes) {
	t.Helper()
	var manifests []string
	changes := &registry.Changes{}
	for i := range n {
		name := fmt.Sprint("web", i)
		changes.Services = append(changes.Services, registry.Key{Namespace: "ns", Name: name})
		written := policy
		if policy == "" {
			written = "Cluster"
		}
		manifests = append(manifests, fmt.Sprintf(`{apiVersion: v1, kind: Service, metadata: {namespace: ns, name: %s}, spec: {type: LoadBalancer, externalTrafficPolicy: %s, ports: [{port: 80}]}, status: {loadBalancer: {ingress: [{ip: %s}]}}}`, name, written, manyAddr(i)))
		if policy != "" {
			manifests = append(manifests, fmt.Sprintf(`{apiVersion: v1, kind: Endpoints, metadata: {namespace: ns, name: %s}, subsets: [{addresses: [{ip: 10.1.0.1, nodeName: node%d}], ports: [{port: 80}]}]}`, name, i%3+1))
		}
	}
	return registrytest.Snapshot(t, strings.Join(manifests, "\n---\n")), changes
}
