package proxyd

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/conntrack"
	"github.com/svcreg/svcreg/registry"
)

func (w *world) deletes(what string, want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if diff := cmp.Diff(want, w.deleted); diff != "" {
		w.t.Errorf("%s: flows deleted (-want +got):\n%s", what, diff)
	}
	w.deleted = nil
}

// Flows follow a UDP service: exactly those go that lead where it isn't served.
func TestStaleFlows(t *testing.T) {
	inWorld(t, func(w *world) {
		w.began()
		w.write(service("dns", "10.0.0.53", "UDP"))
		w.pass(time.Second)
		w.flows = []string{
			"10.0.0.53:80 10.0.0.53:80",  // from before it had endpoints
			"10.0.0.1:80 10.1.9.9:8080",  // UDP to a TCP service: not ours
			"192.0.2.9:80 192.0.2.9:80",  // nobody's
			"10.0.0.53:81 10.0.0.53:81",  // another port
			"10.0.0.54:80 10.1.0.1:8080", // another address
		}
		others := w.flows[1:]
		w.write(endpoints("dns", "10.1.0.1", "10.1.0.2"))
		w.pass(time.Second)
		w.deletes("the first endpoints", "10.0.0.53:80 10.0.0.53:80")

		w.flows = append(others, "10.0.0.53:80 10.1.0.1:8080", "10.0.0.53:80 10.1.0.2:8080")
		w.write(endpoints("dns", "10.1.0.1", "10.1.0.2", "10.1.0.3"))
		w.pass(time.Second)
		w.deletes("one more endpoint")
		w.write(endpoints("dns", "10.1.0.1", "10.1.0.3"))
		w.pass(time.Second)
		w.deletes("one less", "10.0.0.53:80 10.1.0.2:8080")
		w.write(gone(registry.KindService, "dns"))
		w.pass(time.Second)
		w.deletes("the service is gone", "10.0.0.53:80 10.1.0.1:8080")
		if diff := cmp.Diff(others, w.flows); diff != "" {
			t.Errorf("other flows (-want +got):\n%s", diff)
		}
	})
}

// What changed while proxyd was away is caught up with, and live flows stay.
func TestFirstSyncCatchesUpWithFlows(t *testing.T) {
	inWorld(t, func(w *world) {
		w.flows = []string{
			"10.0.0.53:80 10.1.0.1:8080", // live
			"10.0.0.53:80 10.1.0.9:8080", // its endpoint went
			"10.0.0.99:80 10.1.0.9:8080", // its service went
			"10.0.0.99:81 10.0.0.99:81",  // not translated
			"192.0.2.99:80 10.1.0.9:8080",
		}
		w.write(service("dns", "10.0.0.53", "UDP"), endpoints("dns", "10.1.0.1"), registry.Put(&registry.ServiceCIDR{
			Meta:     registry.Meta{Kind: registry.KindServiceCIDR, Key: registry.Key{Name: "portals"}},
			Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")},
		}))
		w.pass(time.Second)
		w.deletes("the first sync", "10.0.0.53:80 10.1.0.9:8080", "10.0.0.99:80 10.1.0.9:8080")
	})
}

// A full sync also finds what nobody told of.
func TestFullSyncLooksAtFlows(t *testing.T) {
	inWorld(t, func(w *world) {
		w.write(service("dns", "10.0.0.53", "UDP"), endpoints("dns", "10.1.0.1"))
		w.pass(time.Second)
		w.flows = []string{"10.0.0.53:80 10.1.0.9:8080"}
		w.write(endpoints("dns", "10.1.0.1", "10.1.0.2"))
		w.pass(time.Second)
		w.deletes("a small sync")
		w.pass(fullPeriod + fullPeriod/10)
		w.deletes("a full sync", "10.0.0.53:80 10.1.0.9:8080")
	})
}

// Flows wait for rules that failed: deleted sooner they would come back.
func TestFlowsWaitForTheRules(t *testing.T) {
	inWorld(t, func(w *world) {
		w.write(service("dns", "10.0.0.53", "UDP"), endpoints("dns", "10.1.0.1"))
		w.pass(time.Second)
		w.flows = []string{"10.0.0.53:80 10.1.0.1:8080"}
		w.kernel.failing(func() error { return errors.New("no") })
		w.write(gone(registry.KindService, "dns"))
		w.pass(100 * time.Millisecond)
		w.deletes("while the kernel fails")
		w.kernel.failing(nil)
		w.pass(time.Second)
		w.deletes("when it works again", "10.0.0.53:80 10.1.0.1:8080")
	})
}

// Frontends stay pending when deleting fails.
func TestFlowsAreTriedAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		w.began()
		w.write(service("dns", "10.0.0.53", "UDP"), endpoints("dns", "10.1.0.1"))
		w.pass(time.Second)
		w.keepFlows(errors.New("interrupted"))
		w.flows = []string{"10.0.0.53:80 10.1.0.1:8080"}
		w.write(gone(registry.KindService, "dns"))
		w.pass(time.Second)
		w.keepFlows(nil)
		w.pass(2 * maxPause)
		w.deletes("in a while", "10.0.0.53:80 10.1.0.1:8080")
	})
}

// Flows to a node port are known by any of the node's addresses.
func TestStaleFlowsOfNodePorts(t *testing.T) {
	inWorld(t, func(w *world) {
		w.policy.NodePorts = true
		w.inbox.move([]netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")})
		w.write(withNodePort("dns", "10.0.0.53", "UDP", 30053), endpoints("dns", "10.1.0.1", "10.1.0.2"))
		w.pass(time.Second)
		w.flows = []string{
			"192.0.2.1:30053 10.1.0.1:8080", "192.0.2.2:30053 10.1.0.2:8080",
			"192.0.2.3:30053 10.1.0.2:8080", // another node's
		}
		w.write(endpoints("dns", "10.1.0.1"))
		w.pass(time.Second)
		w.deletes("one less", "192.0.2.2:30053 10.1.0.2:8080")
		w.write(gone(registry.KindService, "dns"))
		w.pass(time.Second)
		w.deletes("the service is gone", "192.0.2.1:30053 10.1.0.1:8080")
	})
}

// Flows from outside may be at an endpoint that only they can be at.
func TestStaleFlowsFromOutside(t *testing.T) {
	inWorld(t, func(w *world) {
		w.policy.NodeName = "here"
		public := service("dns", "10.0.0.53", "UDP", "192.0.2.1")
		public.Object.(*registry.Service).ExternalLocal = true
		last := endpoints("dns", "10.1.0.1", "10.1.0.2")
		subset := last.Object.(*registry.Endpoints).Subsets[1]
		subset.Endpoints[0].Node = "here"
		subset.Endpoints[0].Ready, subset.Endpoints[0].Terminating = false, true // here, but for outside only
		w.inbox.move([]netip.Addr{netip.MustParseAddr("192.0.2.1")})
		w.write(public, last)
		w.pass(time.Second)
		w.mu.Lock() // a timer brings the next look at them
		w.flows = []string{"192.0.2.1:80 10.1.0.1:8080", "192.0.2.1:80 10.1.0.2:8080"}
		w.mu.Unlock()
		w.pass(2 * fullPeriod)
		w.deletes("both are served")
		w.write(endpoints("dns", "10.1.0.2"))
		w.pass(time.Second)
		w.deletes("the one here is gone", "192.0.2.1:80 10.1.0.1:8080")
	})
}

// Flows from before there was a service at all are not translated: they follow
// it too.
func TestFlowsFromBeforeTheService(t *testing.T) {
	inWorld(t, func(w *world) {
		w.policy.NodePorts = true
		w.inbox.move([]netip.Addr{netip.MustParseAddr("192.0.2.1")})
		w.began()
		w.flows = []string{"10.0.0.53:80 10.0.0.53:80", "192.0.2.1:30053 192.0.2.1:30053", "192.0.2.1:30054 192.0.2.1:30054"}
		w.write(withNodePort("dns", "10.0.0.53", "UDP", 30053), endpoints("dns", "10.1.0.1"))
		w.pass(time.Second)
		w.deletes("a new service", "10.0.0.53:80 10.0.0.53:80", "192.0.2.1:30053 192.0.2.1:30053")
	})
}

// However long the kernel's table is, no change waits for it; and one look is
// for all that came since the last.
func TestNothingWaitsForFlows(t *testing.T) {
	inWorld(t, func(w *world) {
		w.began()
		w.write(service("dns", "10.0.0.53", "UDP"), endpoints("dns", "10.1.0.1", "10.1.0.2", "10.1.0.3"))
		w.pass(time.Second)
		looks := 0
		quick := w.loop.flows.deleteUDP
		w.loop.flows.deleteUDP = func(stale conntrack.Stale) error {
			looks++
			time.Sleep(2 * time.Second)
			return quick(stale)
		}
		w.kernel.took()
		w.flows = []string{"10.0.0.53:80 10.1.0.3:8080", "10.0.0.53:80 10.1.0.2:8080"}
		w.write(endpoints("dns", "10.1.0.1", "10.1.0.2", "10.1.0.4"))
		w.pass(100 * time.Millisecond)
		for i := range 10 {
			w.write(endpoints("dns", "10.1.0.1", fmt.Sprint("10.1.1.", i)))
			w.pass(100 * time.Millisecond)
		}
		if n := len(w.kernel.took()); n != 11 {
			t.Errorf("%d syncs while flows were looked at, want 11", n)
		}
		w.pass(6 * time.Second) // and not only with the next look at sockets
		w.deletes("both", "10.0.0.53:80 10.1.0.3:8080", "10.0.0.53:80 10.1.0.2:8080")
		if looks != 2 {
			t.Errorf("looked %d times, want twice", looks)
		}
	})
}
