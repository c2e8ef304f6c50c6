package rules

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
)

// What is packed comes back as it was, and in no more bytes than it needs.
func TestPack(t *testing.T) {
	to := func(texts ...string) (all []Backend) {
		for _, text := range texts {
			all = append(all, Backend{netip.MustParseAddrPort(text), uint16(len(all)*300 + 1)})
		}
		return all
	}
	prefixes := func(texts ...string) (all []netip.Prefix) {
		for _, text := range texts {
			all = append(all, netip.MustParsePrefix(text))
		}
		return all
	}
	v4, v6 := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")
	tests := []struct {
		name string
		rule Rule
		size int
	}{
		{"refuses", Rule{Frontend: Frontend{Addr: v4}}, 3},
		{"drops", Rule{Frontend: Frontend{Addr: v4}, Target: Target{Drop: true}}, 3},
		{"backends", Rule{Frontend: Frontend{Addr: v4}, PortName: "http", Target: Target{Backends: to("10.1.0.1:80", "10.1.0.2:65535")}}, 3 + 4 + 2*8},
		{"IPv6", Rule{Frontend: Frontend{Addr: v6}, Target: Target{Backends: to("[fd01::1]:80", "[fd01::2]:65535")}}, 3 + 2*20},
		{"outside drops", Rule{Frontend: Frontend{Addr: v4}, Target: Target{Backends: to("10.1.0.1:80")}, Outside: &Target{Drop: true}}, 4 + 8},
		{"all", Rule{
			Frontend: Frontend{Addr: v4}, PortName: strings.Repeat("p", 200), Affinity: 3 * time.Hour, Sources: prefixes("0.0.0.0/1", "192.0.2.1/32"),
			Target: Target{Drop: true}, Outside: &Target{Backends: to("10.1.0.1:80")},
		}, 1 + 2 + 200 + 7 + 1 + 2*5 + 1 + 1 + 8},
		{"all, IPv6", Rule{Frontend: Frontend{Addr: v6}, Affinity: 1, Sources: prefixes("fd00::/8"), Outside: &Target{Backends: to("[fd01::1]:80")}}, 2 + 1 + 1 + 17 + 1 + 1 + 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			packed := string(pack(nil, &tt.rule))
			got := Rule{Frontend: tt.rule.Frontend}
			unpack(packed, &got)
			if diff := cmp.Diff(tt.rule, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
				cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if len(packed) != tt.size {
				t.Errorf("%d bytes, want %d", len(packed), tt.size)
			}
		})
	}
}

// Places are ordered as the frontends that they stand for.
func TestPlaces(t *testing.T) {
	var all []Frontend
	for _, addr := range []string{"10.0.0.1", "10.0.0.2", "fd00::1"} {
		for _, protocol := range protocols {
			for _, port := range []uint16{1, 65535} {
				all = append(all, Frontend{netip.MustParseAddr(addr), protocol, port})
			}
		}
	}
	for _, a := range all {
		if got := placeOf(a).frontend(); got != a {
			t.Errorf("the place of %v is that of %v", a, got)
		}
		for _, b := range all {
			if got, want := placeOf(a).compare(placeOf(b)), a.Compare(b); got != want {
				t.Errorf("the places of %v and %v compare as %d, want %d", a, b, got, want)
			}
		}
	}
	if _, ok := (&Ruleset{}).Lookup(Frontend{netip.MustParseAddr("10.0.0.1"), registry.Protocol("QUIC"), 80}); ok {
		t.Error("a rule for an unknown protocol")
	}
}
