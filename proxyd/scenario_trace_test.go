package proxyd

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/proxyd/iptables"
	"github.com/svcreg/svcreg/proxyd/nftables/nfttest"
	"github.com/svcreg/svcreg/proxyd/rules"
)

// outcome is what may become of a packet by some text, with its probability.
type outcome struct {
	to          netip.AddrPort
	fate        rules.Fate
	masqueraded bool
	probability float64
}

// outcomesText returns outcomes as packets.txt has them: probabilities as the
// smallest weights that come to the same.
func outcomesText(all []outcome) string {
	if len(all) == 1 && all[0].fate != rules.Sent {
		return all[0].fate.String()
	}
	slices.SortFunc(all, func(a, b outcome) int { return a.to.Compare(b.to) })
	least := slices.MinFunc(all, func(a, b outcome) int { return int(math.Copysign(1, a.probability-b.probability)) }).probability
	scale := 1.0
	for ; scale < 100; scale++ {
		if !slices.ContainsFunc(all, func(o outcome) bool {
			weight := o.probability / least * scale
			return math.Abs(weight-math.Round(weight)) > 1e-3
		}) {
			break
		}
	}
	var hops []string
	for _, o := range all {
		if o.fate != rules.Sent {
			return fmt.Sprintf("%v with probability %v", o.fate, o.probability)
		}
		weight := uint16(math.Round(o.probability / least * scale))
		hops = append(hops, hopText(rules.Hop{Backend: rules.Backend{AddrPort: o.to, Weight: weight}, Masqueraded: o.masqueraded}))
	}
	return "dnat " + strings.Join(hops, " | ")
}

// isLocal reports whether a process of the node itself sends a packet.
func isLocal(p *policy, from netip.Addr) bool {
	return from.IsLoopback() || slices.Contains(p.NodeAddrs, from)
}

// traceIPTables traces a packet over what iptables-restore would be given.
func traceIPTables(t *testing.T, text string, policy *policy, p scenarioPacket) string {
	t.Helper()
	fake := iptables.NewFake()
	fake.Addrs = policy.NodeAddrs
	v4, v6, ok := strings.Cut(text, "# IPv6: ")
	if !ok {
		t.Fatalf("no IPv6 in %s", text)
	}
	for family, input := range map[rules.Family]string{rules.IPv4: v4, rules.IPv6: "# " + v6} {
		if err := fake.Restore(t.Context(), family, []byte(input)); err != nil {
			t.Fatal(err)
		}
	}
	to := netip.AddrPortFrom(p.to.Addr, p.to.Port)
	var all []outcome
	for o, probability := range fake.Trace(iptables.Packet{From: p.from, To: to, Protocol: p.to.Protocol, Local: isLocal(policy, p.from)}) {
		one := outcome{o.To, rules.Sent, o.Masqueraded, probability}
		switch {
		case o.How == "drop":
			one.fate = rules.Dropped
		case o.Refused:
			one.fate = rules.Refused
		case o.To == to:
			one.fate = rules.Passed
		}
		all = append(all, one)
	}
	return outcomesText(all)
}

// traceNFT traces a packet over what nft would be given.
func traceNFT(t *testing.T, text string, policy *policy, p scenarioPacket) string {
	t.Helper()
	ruleset, err := nfttest.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	to := netip.AddrPortFrom(p.to.Addr, p.to.Port)
	outcomes, err := ruleset.Trace(nfttest.Packet{
		From: p.from, To: to, Protocol: strings.ToLower(string(p.to.Protocol)), Local: isLocal(policy, p.from), NodeAddrs: policy.NodeAddrs,
	})
	if err != nil {
		t.Fatal(err)
	}
	var all []outcome
	for o, probability := range outcomes {
		one := outcome{o.To, rules.Sent, o.Masqueraded, probability}
		switch {
		case o.Refused == "drop":
			one.fate = rules.Dropped
		case o.Refused != "":
			one.fate = rules.Refused
		case o.To == to:
			one.fate = rules.Passed
		}
		all = append(all, one)
	}
	return outcomesText(all)
}
