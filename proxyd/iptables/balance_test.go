package iptables

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// Each backend gets its share of what those before it left.
func TestBalanceByWeight(t *testing.T) {
	backend := func(at string, weight uint16) rules.Backend {
		return rules.Backend{AddrPort: netip.MustParseAddrPort(at), Weight: weight}
	}
	r := &rules.Rule{Target: rules.Target{Backends: []rules.Backend{
		backend("10.1.0.1:80", 5), backend("10.1.0.2:80", 2), backend("10.1.0.3:80", 1),
	}}}
	want := []string{
		"-m statistic --mode random --probability 0.62500000000 -j DNAT --to-destination 10.1.0.1:80",
		"-m statistic --mode random --probability 0.66666666651 -j DNAT --to-destination 10.1.0.2:80",
		"-j DNAT --to-destination 10.1.0.3:80",
	}
	if diff := cmp.Diff(want, balance(r, &r.Target, "")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestRefuseOrDrop(t *testing.T) {
	at := rules.Frontend{Addr: netip.MustParseAddr("10.0.0.1"), Protocol: registry.TCP, Port: 80}
	for _, tt := range []struct {
		drop bool
		want string
	}{
		{false, "-d 10.0.0.1/32 -p tcp -m tcp --dport 80 -j REJECT --reject-with tcp-reset"},
		{true, "-d 10.0.0.1/32 -p tcp -m tcp --dport 80 -j DROP"},
	} {
		r := &rules.Rule{Frontend: at, Target: rules.Target{Drop: tt.drop}}
		s := state{family: rules.IPv4}.refusing()
		if diff := cmp.Diff([]string{tt.want}, s.leaf(r, spanOf(at).match(span{}))); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
}
