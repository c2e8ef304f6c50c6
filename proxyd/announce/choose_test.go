package announce

import (
	"fmt"
	"net/netip"
	"testing"
)

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

// members returns nodes of some names in one subnet.
func members(names ...string) map[string]*member {
	all := map[string]*member{}
	for _, name := range names {
		all[name] = &member{Subnets: prefixes("192.0.2.0/24", "2001:db8::/64")}
	}
	return all
}

func TestChoose(t *testing.T) {
	addr := netip.MustParseAddr("192.0.2.100")
	with := func(m map[string]*member, change func(map[string]*member)) map[string]*member {
		change(m)
		return m
	}
	joining := func(names ...string) func(map[string]*member) {
		return func(m map[string]*member) {
			for _, name := range names {
				m[name].Joining = true
			}
		}
	}
	local := func(n int) map[netip.Addr]int { return map[netip.Addr]int{addr: n} }
	for _, test := range []struct {
		name     string
		addr     netip.Addr
		anywhere int
		members  map[string]*member
		holder   string
		want     string
	}{
		{"nobody there", addr, 1, nil, "", ""},
		{"the only one", addr, 1, members("a"), "", "a"},
		{"one of three", addr, 1, members("a", "b", "c"), "", "a"},
		{"another address", addr.Next(), 1, members("a", "b", "c"), "", "a"},
		{"one of IPv6", netip.MustParseAddr("2001:db8::100"), 1, members("a", "b", "c"), "", "b"},
		{"no service has an endpoint", addr, 0, members("a", "b", "c"), "", ""},
		{"nobody is in its subnet", netip.MustParseAddr("198.51.100.1"), 1, members("a", "b", "c"), "", ""},
		{"one is in its subnet", addr, 1, with(members("a", "b", "c"), func(m map[string]*member) {
			m["a"].Subnets, m["b"].Subnets = nil, prefixes("192.0.3.0/24")
		}), "", "c"},
		{"an endpoint is on one node", addr, 0, with(members("a", "b", "c"), func(m map[string]*member) {
			m["c"].Local = local(1)
		}), "", "c"},
		{"endpoints are on two nodes", addr, 0, with(members("a", "b", "c"), func(m map[string]*member) {
			m["a"].Local, m["c"].Local = local(1), local(1)
		}), "", "a"},
		{"a service shares the address with one whose endpoint is on one node", addr, 1, with(members("a", "b", "c"), func(m map[string]*member) {
			m["c"].Local = local(1)
		}), "", "c"},
		{"a node with endpoints of two services", addr, 0, with(members("a", "b", "c"), func(m map[string]*member) {
			m["a"].Local, m["b"].Local, m["c"].Local = local(1), local(1), local(2)
		}), "", "c"},
		{"an endpoint where the address can't be", addr, 0, with(members("a", "b"), func(m map[string]*member) {
			m["a"].Local, m["a"].Subnets = local(1), nil
		}), "", ""},
		{"who holds it goes after the score", addr, 1, members("a", "b", "c"), "c", "a"},
		{"the best has only just come", addr, 1, with(members("a", "b", "c"), joining("a")), "c", "b"},
		{"the best has only just come, and holds it", addr, 1, with(members("a", "b", "c"), joining("a")), "a", "a"},
		{"who holds it has only just come, and isn't the best", addr, 1, with(members("a", "b", "c"), joining("c")), "c", "a"},
		{"all have only just come", addr, 1, with(members("a", "b", "c"), joining("a", "b", "c")), "", "a"},
		{"all have only just come, and one holds it", addr, 1, with(members("a", "b", "c"), joining("a", "b", "c")), "c", "c"},
		{"one that has only just come has the only endpoint", addr, 0, with(members("a", "b"), func(m map[string]*member) {
			m["b"].Local, m["b"].Joining = local(1), true
		}), "a", "b"},
		{"one that has only just come is alone in the subnet", addr, 1, with(members("a", "b"), func(m map[string]*member) {
			m["a"].Subnets, m["b"].Joining = nil, true
		}), "a", "b"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := choose(test.addr, test.anywhere, test.members, test.holder); got != test.want {
				t.Errorf("chose %q, want %q", got, test.want)
			}
		})
	}
}

// What a node doesn't have doesn't move when it comes or goes, and what it has
// is spread over all.
func TestChooseMovesLittle(t *testing.T) {
	const nodes, addrs = 10, 2000
	var names []string
	for i := range nodes {
		names = append(names, fmt.Sprintf("node-%d.example.org", i))
	}
	all, fewer := members(names...), members(names[1:]...)
	had, got := map[string]int{}, map[string]int{}
	addr := netip.MustParseAddr("10.0.0.1")
	for _, m := range all {
		m.Subnets = prefixes("10.0.0.0/8")
	}
	for _, m := range fewer {
		m.Subnets = prefixes("10.0.0.0/8")
	}
	for range addrs {
		before, after := choose(addr, 1, all, ""), choose(addr, 1, fewer, "")
		had[before]++
		switch {
		case before == names[0]:
			got[after]++
		case before != after:
			t.Fatalf("%v moved from %s to %s because %s went", addr, before, after, names[0])
		}
		addr = addr.Next()
	}
	for _, name := range names {
		if n := had[name]; n < addrs/nodes*7/10 || n > addrs/nodes*13/10 {
			t.Errorf("%s has %d addresses of %d", name, n, addrs)
		}
	}
	if len(got) != nodes-1 {
		t.Errorf("what %s had went to %d nodes only", names[0], len(got))
	}
}

// Nodes of different versions agree.
func TestScore(t *testing.T) {
	for _, test := range []struct {
		addr, node string
		want       uint64
	}{
		{"192.0.2.100", "node1", 0xfe2fe5bb636491ec},
		{"2001:db8::100", "node1", 0x420a9d25c80b432c},
	} {
		if got := score(netip.MustParseAddr(test.addr), test.node); got != test.want {
			t.Errorf("%s at %s: %#x, want %#x", test.addr, test.node, got, test.want)
		}
	}
}
