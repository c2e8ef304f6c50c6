package announce

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLinksTo(t *testing.T) {
	wide := link{index: 1, name: "wide", subnets: prefixes("10.0.0.0/8")}
	narrow := link{index: 2, name: "narrow", subnets: prefixes("192.0.2.0/24", "10.1.0.0/16")}
	twin := link{index: 3, name: "twin", subnets: prefixes("192.0.2.0/24", "2001:db8::/64")}
	one, two := link{index: 4, name: "one", all: true}, link{index: 5, name: "two", all: true}
	for _, test := range []struct {
		name  string
		addr  string
		links []link
		want  []string
	}{
		{"nowhere", "198.51.100.1", []link{wide, narrow, twin}, nil},
		{"in one subnet", "10.2.0.1", []link{wide, narrow, twin}, []string{"wide"}},
		{"in a subnet's subnet", "10.1.0.1", []link{wide, narrow, twin}, []string{"narrow"}},
		{"two on one segment", "192.0.2.100", []link{wide, narrow, twin}, []string{"narrow"}},
		{"by IPv6", "2001:db8::100", []link{wide, narrow, twin}, []string{"twin"}},
		{"named ones", "198.51.100.1", []link{one, two}, []string{"one", "two"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if d := cmp.Diff(test.want, names(linksTo(netip.MustParseAddr(test.addr), test.links))); d != "" {
				t.Error(d)
			}
		})
	}
}
