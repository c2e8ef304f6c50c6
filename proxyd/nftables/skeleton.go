package nftables

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"strings"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// The bits of a packet's mark that are ours: masquerade, and a connection to a
// portal IP that is masqueraded where it crosses the border of the cluster. The
// first is the one that package iptables uses.
const (
	markMasquerade = 0x2000
	markPortal     = 0x1000
)

// setsText declares the maps and sets.
const setsText = `
	map fingerprint { type mark : mark; }
	map dispatch { type classid : verdict; }
	map frontends { type ADDR . inet_proto . inet_service : classid; }
	map endpoints { type ADDR . inet_proto . inet_service . classid : ADDR . inet_service; }
	map picks { type ADDR . inet_proto . inet_service . classid : classid; }
	map sticky { type ADDR . inet_proto . inet_service . classid : ADDR . inet_service; }
	map affinity { AFFINITY; size 262144; flags dynamic,timeout; }
	map inside { type ADDR . inet_proto . inet_service : classid; }
	map outside { type ADDR . inet_proto . inet_service : classid; }
	map admitted { type ADDR . inet_proto . inet_service : classid; }
	set sources { type ADDR . inet_proto . inet_service . ADDR; flags interval; }
	set hairpin { type ADDR . ADDR; }
`

// endsText has the chains in which packets end.
const endsText = `
	chain refused {
		meta l4proto tcp reject with tcp reset
		reject with ICMP port-unreachable
	}
	chain dropped {
		drop
	}
	chain masqueraded {
		masquerade fully-random
	}
`

// stagesText has the chains between the entry and the classes that serve, once
// for addresses and once for node ports. Where a map has no answer, the packet
// came between two changes: a slot that is gone becomes the first one, and all
// else is dropped, so that the client's next try finds things as they are.
const stagesText = `
	chain translate-NODE {
		dnat IP to KEY . meta priority map @endpoints
		meta priority set 0
		dnat IP to KEY . meta priority map @endpoints
		drop
	}
	chain translate-outside-NODE {
		dnat IP to KEY . meta priority map @endpoints
		meta priority set 0:8000
		dnat IP to KEY . meta priority map @endpoints
		drop
	}
	chain inside-NODE {
		meta priority set KEY map @inside meta priority vmap @dispatch
		drop
	}
	chain split-NODE {
		IP saddr @cluster goto inside-NODE
		fib saddr type local goto inside-NODE
		meta priority set KEY map @outside meta priority vmap @dispatch
		drop
	}
	chain admitted-NODE {
		meta priority set KEY map @admitted meta priority vmap @dispatch
		meta priority SPLIT goto split-NODE
		drop
	}
	chain limited-NODE {
		KEY . IP saddr @sources goto admitted-NODE
		fib saddr type local goto admitted-NODE
		drop
	}
	chain frontend-NODE {
		meta priority vmap @dispatch
		meta priority SPLIT goto split-NODE
		meta priority LIMITED goto limited-NODE
		drop
	}
`

// entryText has the chains that the kernel calls, and nodeText what is done for
// node ports.
const (
	entryText = `
	chain services {
		meta priority set KEY map @frontends goto frontend-NODE
		IP daddr & ZERO . meta l4proto . th dport @frontends goto nodeports
	}
	chain prerouting {
		type nat hook prerouting priority -100; policy accept;
		goto services
	}
	chain output {
		type nat hook output priority -100; policy accept;
		goto services
	}
	chain postrouting {
		type nat hook postrouting priority 100; policy accept;
		ct status dnat goto translated
	}
`
	nodeText = `
	chain nodeports {
		IP daddr LOOPBACK return
		IP daddr LINKLOCAL return
		WHERE fib daddr type local meta priority set KEY map @frontends goto frontend-NODE
	}
`
)

// skeleton returns all that stands before any service does, as a file for nft.
func skeleton(f rules.Family, cfg Config) string {
	words, node := words(f, false), words(f, true)
	where := ""
	var b strings.Builder
	b.WriteString(words.Replace("table IP " + tableName + " {" + setsText))
	b.WriteString(words.Replace(networks("cluster", f.Only(cfg.ClusterCIDRs))))
	if len(cfg.NodePortAddrs) > 0 {
		b.WriteString(words.Replace(networks("nodeport-addresses", f.Only(cfg.NodePortAddrs))))
		where = "IP daddr @nodeport-addresses"
	}
	b.WriteString(words.Replace(endsText))
	b.WriteString(words.Replace(stagesText))
	b.WriteString(node.Replace(stagesText))
	b.WriteString(node.Replace(strings.ReplaceAll(nodeText, "WHERE ", where+" ")))
	b.WriteString(words.Replace(translated(f, cfg)))
	b.WriteString(words.Replace(entryText))
	b.WriteString("}\n")
	b.WriteString(classText(f, cfg, built()))
	return b.String()
}

// networks declares a set of networks.
func networks(name string, prefixes []netip.Prefix) string {
	elements := ""
	if len(prefixes) > 0 {
		var all []string
		for _, p := range prefixes {
			all = append(all, p.String())
		}
		elements = " elements = { " + strings.Join(all, ", ") + " };"
	}
	return fmt.Sprintf("\tset %s { type ADDR; flags interval; auto-merge;%s }\n", name, elements)
}

// translated returns the chain of connections that were translated, by us or by
// others: it masquerades those that have the mark, those of an endpoint to
// itself, and where portal IPs are guarded, those that cross the border.
func translated(f rules.Family, cfg Config) string {
	text := fmt.Sprintf(`
	chain translated {
		IP saddr . IP daddr @hairpin goto masqueraded
		meta mark & %#x != 0 goto masqueraded
`, markMasquerade)
	if guardsBorder(f, cfg) {
		text += fmt.Sprintf(`		meta mark & %#x == 0 return
		IP saddr @cluster IP daddr @cluster return
		IP saddr @cluster goto masqueraded
		IP daddr @cluster goto masqueraded
`, markPortal)
	}
	return text + "\t}\n"
}

func guardsBorder(f rules.Family, cfg Config) bool {
	return !cfg.MasqueradeAll && len(f.Only(cfg.ClusterCIDRs)) > 0
}

// classText returns the chains of some classes, and the elements that lead
// there, as a file for nft.
func classText(f rules.Family, cfg Config, classes []class) string {
	var b, leads strings.Builder
	for _, c := range classes {
		if c.kind() != fixed {
			fmt.Fprintf(&b, "\tchain %s {\n%s\t}\n", c.chain(), words(f, c.node()).Replace(c.rules(f, cfg)))
		}
		fmt.Fprintf(&leads, "add element IP %s dispatch { %v : goto %s }\n", tableName, c, c.chain())
	}
	words := words(f, false)
	return words.Replace("table IP "+tableName+" {\n") + b.String() + "}\n" + words.Replace(leads.String())
}

// rules returns what the chain of a class with slots does.
func (c class) rules(f rules.Family, cfg Config) string {
	draw := fmt.Sprintf("meta priority set numgen random mod %d", c.slots())
	first, onward := "0", "translate-NODE"
	if c.kind() == outside {
		draw += fmt.Sprintf(" offset %d", outsideSlots)
		first, onward = "0:8000", "translate-outside-NODE"
	}
	mark := ""
	if bit := c.mark(f, cfg); bit != 0 {
		mark = fmt.Sprintf("meta mark set meta mark | %#x ", bit)
	}
	if c.affinity() == 0 {
		return "\t\t" + mark + draw + " goto " + onward + "\n"
	}
	if mark != "" {
		mark = "\t\t" + mark + "\n"
	}
	return mark + strings.NewReplacer("DRAW", draw, "FIRST", first, "TIME", fmt.Sprintf("%ds", int(c.affinity().Seconds()))).Replace(stickyText)
}

// stickyText is what a class with affinity does. A client that is not known, or
// whose endpoint is gone, draws a slot; then it is remembered, or the time
// begins anew; then it goes where its id says. (An id that isn't there is also
// the class, which stands in the priority before.)
const stickyText = `		meta priority set CLIENT map @affinity
		KEY . meta priority != @sticky delete @affinity { CLIENT : meta priority } DRAW meta priority set KEY . meta priority map @picks
		update @affinity { CLIENT timeout TIME : meta priority }
		dnat IP to KEY . meta priority map @sticky
		meta priority set FIRST meta priority set KEY . meta priority map @picks dnat IP to KEY . meta priority map @sticky
		drop
`

// mark returns the bit that connections of a class are marked with; 0 for none.
func (c class) mark(f rules.Family, cfg Config) uint32 {
	switch {
	case c.kind() == external || c.kind() == portal && cfg.MasqueradeAll:
		return markMasquerade
	case c.kind() == portal && guardsBorder(f, cfg):
		return markPortal
	}
	return 0
}

// version returns a number that is another one for another skeleton, or other
// chains of classes.
func version(f rules.Family, cfg Config) uint32 {
	var samples []class
	for _, k := range []kind{portal, external, outside} {
		for _, node := range []bool{false, true} {
			samples = append(samples, newClass(k, 1, 0, node), newClass(k, 1, affinityStep, node))
		}
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(skeleton(f, cfg) + classText(f, cfg, samples))) // never fails
	return h.Sum32()
}
