package write

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"testing"
)

func prefix(s string) network { return network{netip.MustParsePrefix(s)} }

func TestNetwork(t *testing.T) {
	tests := []struct {
		network     string
		size        uint64
		reserved    uint64
		first, last string
	}{
		{"10.0.0.0/24", 254, 16, "10.0.0.1", "10.0.0.254"},
		{"10.0.0.0/30", 2, 1, "10.0.0.1", "10.0.0.2"},
		{"192.168.5.16/28", 14, 7, "192.168.5.17", "192.168.5.30"},
		{"10.96.0.0/12", 1<<20 - 2, 256, "10.96.0.1", "10.111.255.254"},
		{"10.0.0.0/8", 1<<24 - 2, 256, "10.0.0.1", "10.255.255.254"},
		{"fd00:10::/64", math.MaxUint64, 256, "fd00:10::1", "fd00:10::ffff:ffff:ffff:ffff"},
		{"fd00:10::8:0/112", 1<<16 - 1, 256, "fd00:10::8:1", "fd00:10::8:ffff"},
		{"fd00::4/126", 3, 1, "fd00::5", "fd00::7"},
	}
	for _, tt := range tests {
		t.Run(tt.network, func(t *testing.T) {
			n := prefix(tt.network)
			if n.size() != tt.size || reserved(n.size()) != tt.reserved {
				t.Errorf("size %d, reserved %d; want %d, %d", n.size(), reserved(n.size()), tt.size, tt.reserved)
			}
			if first, last := n.at(1).String(), n.at(n.size()).String(); first != tt.first || last != tt.last {
				t.Errorf("from %s to %s, want from %s to %s", first, last, tt.first, tt.last)
			}
			first, last := n.at(1), n.at(n.size())
			if !n.offers(first) || !n.offers(last) || n.offers(first.Prev()) || n.offers(last.Next()) {
				t.Error("the first and the last must be on offer, those beside them must not")
			}
		})
	}
}

// TestPickFindsEveryAddress takes one address after the other until none is
// left.
func TestPickFindsEveryAddress(t *testing.T) {
	for _, text := range []string{"10.0.0.0/24", "10.0.0.0/30", "fd00::/120", "fd00::/126"} {
		t.Run(text, func(t *testing.T) {
			n, taken := prefix(text), map[netip.Addr]bool{}
			held := func(a netip.Addr) bool { return taken[a] }
			for range n.size() {
				addr, ok := n.pick(held, rand.Uint64N)
				if !ok || taken[addr] || !n.offers(addr) {
					t.Fatalf("after %d: %s, %v", len(taken), addr, ok)
				}
				taken[addr] = true
			}
			if addr, ok := n.pick(held, rand.Uint64N); ok {
				t.Errorf("%s came out of a full network", addr)
			}
		})
	}
}

func TestPickSparesTheFirstAddresses(t *testing.T) {
	n, taken := prefix("10.0.0.0/24"), map[netip.Addr]bool{}
	for range n.size() - reserved(n.size()) {
		addr, _ := n.pick(func(a netip.Addr) bool { return taken[a] }, rand.Uint64N)
		if addr.Compare(n.at(reserved(n.size()))) <= 0 {
			t.Fatalf("%s was given away with %d others left", addr, int(n.size())-len(taken))
		}
		taken[addr] = true
	}
}

// TestPickFromALargeNetwork would not end if a search went through all of a
// network.
func TestPickFromALargeNetwork(t *testing.T) {
	n := prefix("fd00::/64")
	stuck := func(uint64) uint64 { return 0 } // every probe meets the same
	limit := n.at(reserved(n.size()) + 1000)
	addr, ok := n.pick(func(a netip.Addr) bool { return a.Compare(limit) <= 0 }, stuck)
	if want := n.at(reserved(n.size()) + 1001); !ok || addr != want {
		t.Errorf("got %s, %v; want %s", addr, ok, want)
	}
}
