package proxyd

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// frontend parses a TCP frontend.
func frontend(s string) rules.Frontend {
	at := netip.MustParseAddrPort(s)
	return rules.Frontend{Addr: at.Addr(), Protocol: registry.TCP, Port: at.Port()}
}

func (w *world) has(what string, f rules.Frontend, want bool) {
	w.t.Helper()
	if _, ok := w.kernel.rules.Lookup(f); ok != want {
		w.t.Errorf("%s: %v in the kernel: %v, want %v", what, f, ok, want)
	}
}

func (w *world) logged(text string, want int) {
	w.t.Helper()
	if n := strings.Count(w.log.String(), text); n != want {
		w.t.Errorf("the log says %q %d times, want %d:\n%s", text, n, want, w.log.String())
	}
}

// A public address of the node is honoured as long as the node has it.
func TestPublicAddressFollowsTheNodes(t *testing.T) {
	inWorld(t, func(w *world) {
		public, addr := frontend("192.0.2.1:80"), netip.MustParseAddr("192.0.2.1")
		w.write(service("first", "10.0.0.1", "TCP", "192.0.2.1"))
		w.pass(time.Second)
		w.has("not the node's", public, false)
		w.logged("address refused\"", 1)
		w.inbox.move([]netip.Addr{addr})
		w.pass(time.Second)
		w.has("the node's", public, true)
		w.logged("address refused no more", 1)
		w.inbox.move(nil)
		w.pass(time.Second)
		w.has("not the node's any more", public, false)
		w.logged("address refused\"", 2)
	})
}

// A port on which a process listens is the process's, before and after.
func TestPortsOfProcessesAreLeftAlone(t *testing.T) {
	inWorld(t, func(w *world) {
		public := frontend("192.0.2.1:80")
		asked := 0
		free := func() (sockets, error) { asked++; return listeners{}, nil }
		taken := func() (sockets, error) {
			asked++
			return listeners{public: true}, nil
		}
		w.listen(free)
		w.inbox.move([]netip.Addr{public.Addr})
		w.write(service("first", "10.0.0.1", "TCP"))
		w.pass(time.Minute)
		if asked != 0 {
			t.Errorf("asked %d times for sockets that matter to nobody", asked)
		}
		w.listen(taken)
		w.write(service("first", "10.0.0.1", "TCP", "192.0.2.1"))
		w.pass(time.Second)
		w.has("taken from the start", public, false)
		w.logged("a process of this node listens there", 1)
		w.listen(free)
		w.pass(recheckPeriod)
		w.has("free again", public, true)
		w.listen(taken)
		w.pass(recheckPeriod)
		w.has("taken again", public, false)
		w.listen(func() (sockets, error) { return listeners{}, errors.New("no /proc") })
		w.kernel.took()
		w.pass(recheckPeriod)
		w.want("nobody can tell")
		w.has("nobody can tell", public, false)
	})
}

// Looking at sockets programs nothing if they are as they were.
func TestRecheckIsCheap(t *testing.T) {
	inWorld(t, func(w *world) {
		w.inbox.move([]netip.Addr{netip.MustParseAddr("192.0.2.1")})
		w.write(service("first", "10.0.0.1", "TCP", "192.0.2.1"))
		w.pass(time.Second)
		w.kernel.took()
		w.pass(5*recheckPeriod - recheckPeriod/2)
		w.want("five looks")
		none := 0
		w.listen(func() (sockets, error) { none++; return listeners{}, nil })
		w.write(service("second", "10.0.0.2", "TCP"))
		w.pass(time.Second)
		if none != 0 {
			t.Errorf("asked %d times for sockets that the change is not about", none)
		}
		w.write(gone(registry.KindService, "first"))
		w.pass(time.Second)
		w.kernel.took()
		asked := 0
		w.listen(func() (sockets, error) { asked++; return listeners{}, nil })
		w.pass(5 * recheckPeriod)
		if asked != 0 {
			t.Errorf("asked %d times for sockets of a service that is gone", asked)
		}
	})
}

// A refusal is told once, not with every sync.
func TestRefusalsAreToldOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.began()
		w.write(service("second", "10.0.0.1", "TCP"))
		w.pass(time.Second)
		w.write(endpoints("first", "10.1.0.2"))
		w.pass(2 * fullPeriod)
		w.logged("held by ns/first", 1)
		if n := gaugeValue(t, w.metrics, "proxyd_refusals"); n != 1 {
			t.Errorf("proxyd_refusals %v, want 1", n)
		}
		w.write(gone(registry.KindService, "first"))
		w.pass(time.Second)
		w.logged("address refused no more", 1)
		if n := gaugeValue(t, w.metrics, "proxyd_refusals"); n != 0 {
			t.Errorf("proxyd_refusals %v, want 0", n)
		}
	})
}
