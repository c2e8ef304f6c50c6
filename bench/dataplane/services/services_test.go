package services

import (
	"net/netip"
	"testing"

	"github.com/svcreg/svcreg/registry"
)

// No two services share an address, and all addresses are where the network
// expects them.
func TestAddresses(t *testing.T) {
	f := New(5000, 50)
	seen := map[netip.Addr]bool{}
	once := func(a netip.Addr, in netip.Prefix) {
		t.Helper()
		if seen[a] || !in.Contains(a) {
			t.Fatalf("%v: seen before %v, want one of %v", a, seen[a], in)
		}
		seen[a] = true
	}
	for i := range f.Len() {
		s, in := f.Service(i), Pods
		if i == 0 || i == f.Len()-1 {
			in = Void
		}
		once(s.Portals[0], Portals)
		for _, a := range s.Service.Endpoints {
			once(a, in)
		}
	}
	for n := range 100 {
		once(f.Probe().Swapped(n + 1).Service.Endpoints[0], Pods)
		once(f.Talker().Swapped(n + 1).Service.Endpoints[0], Pods)
	}
}

// The registry has what the fleet says.
func TestSnapshot(t *testing.T) {
	f := New(Min, 5)
	s, err := f.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	want := map[int]struct {
		protocol  registry.Protocol
		endpoints int
	}{0: {registry.UDP, 5}, 1: {registry.TCP, 5}, Min - 3: {registry.UDP, 1}, Min - 2: {registry.TCP, 5}, Min - 1: {registry.UDP, 5}}
	for i, w := range want {
		one := f.Service(i)
		e := s.ByPortalIP(one.Portals[0])
		if e == nil || e.Ports[0].Protocol != w.protocol || len(e.Backends(e.Ports[0])) != w.endpoints {
			t.Fatalf("service %d: %+v, want %+v", i, e, w)
		}
		if got := e.Backends(e.Ports[0])[0].AddrPort(); got != netip.AddrPortFrom(one.Service.Endpoints[0], Port) {
			t.Errorf("service %d: first endpoint %v", i, got)
		}
	}
}
