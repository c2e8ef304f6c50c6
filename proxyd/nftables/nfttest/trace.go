package nfttest

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Packet is the first packet of a connection.
type Packet struct {
	From netip.Addr
	To   netip.AddrPort
	// Protocol is "tcp", "udp" or "sctp".
	Protocol string
	// Local says that a process of the node itself sends it; it is routed
	// through the node otherwise.
	Local bool
	// NodeAddrs are the node's own addresses.
	NodeAddrs []netip.Addr
}

// Outcome is what may become of a packet.
type Outcome struct {
	// To is where the packet goes, translated or not.
	To netip.AddrPort
	// Refused is how it is answered instead: "tcp reset", "port-unreachable" or
	// what else follows "reject with"; "drop" is not at all.
	Refused string
	// Masqueraded says that its source becomes the node.
	Masqueraded bool
}

// Trace returns each possible outcome of a packet with its probability. A
// dynamic map has the elements that the text gives it, mostly none. It is an
// error if the packet meets words that are not known here.
func (r *Ruleset) Trace(p Packet) (map[Outcome]float64, error) {
	family := "ip"
	if p.To.Addr().Is6() {
		family = "ip6"
	}
	w := &walk{table: r.table(family)}
	first := "prerouting"
	if p.Local {
		first = "output"
	}
	all := w.hook(first, []flight{{Packet: p, probability: 1}})
	all = w.hook("postrouting", all)
	outcomes := map[Outcome]float64{}
	for _, f := range all {
		outcomes[Outcome{f.To, f.refused, f.masqueraded}] += f.probability
	}
	return outcomes, w.err
}

// flight is a packet on one of its possible ways.
type flight struct {
	Packet
	probability    float64
	priority, mark uint32
	translated     bool
	masqueraded    bool
	refused        string

	verdict verdict
	target  string // the chain of goes and jumps
}

// verdict is what a rule says of a packet.
type verdict uint8

const (
	goesOn  verdict = iota // to the next rule
	returns                // from the chain
	goes                   // to another chain, for good
	jumps                  // to another chain, and comes back
	ended                  // it is done with the hook
)

// walk follows packets through a table. It keeps the first error.
type walk struct {
	table *table
	err   error
}

func (w *walk) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("nftables: "+format, args...)
	}
}

// hook has packets pass the base chains of a hook.
func (w *walk) hook(name string, in []flight) []flight {
	for chain, rules := range w.table.chains {
		if len(rules) == 0 || !slices.Contains(rules[0], "hook") || !slices.Contains(rules[0], name) {
			continue
		}
		var out []flight
		for _, f := range in {
			if f.refused == "" {
				out = append(out, w.chain(chain, f)...)
			} else {
				out = append(out, f)
			}
		}
		in = out
	}
	return in
}

// chain has a packet pass a chain. What isn't ended returns from it.
func (w *walk) chain(name string, f flight) []flight {
	rules, ok := w.table.chains[name]
	if !ok {
		w.fail("no chain %q", name)
	}
	var out []flight
	in := []flight{f}
	for _, r := range rules {
		if slices.Contains(r, "hook") {
			continue
		}
		var next []flight
		for _, f := range in {
			stay, leave := w.rule(r, f)
			next, out = append(next, stay...), append(out, leave...)
		}
		in = next
	}
	return append(out, in...)
}

// rule has a packet pass a rule. Those that stay go on to the next one.
func (w *walk) rule(r rule, f flight) (stay, leave []flight) {
	f.verdict = goesOn
	for _, f := range w.words(r, f) {
		switch f.verdict {
		case goesOn:
			stay = append(stay, f)
		case goes:
			leave = append(leave, w.chain(f.target, f)...)
		case jumps:
			for _, back := range w.chain(f.target, f) {
				if back.verdict == ended {
					leave = append(leave, back)
				} else {
					stay = append(stay, back)
				}
			}
		default:
			leave = append(leave, f)
		}
	}
	return stay, leave
}

// words carries out the words of a rule, until one says what becomes of the
// packet, or a condition doesn't hold.
func (w *walk) words(r rule, f flight) []flight {
	p := &parser{r}
	for len(p.words) > 0 {
		if some, split := w.draw(p, f); split {
			return some
		}
		if !w.statement(p, &f) || f.verdict != goesOn {
			return []flight{f}
		}
	}
	return []flight{f}
}

// draw carries out "meta priority set numgen random mod N [offset M]", by which
// one packet becomes N, of which each goes on alone.
func (w *walk) draw(p *parser, f flight) ([]flight, bool) {
	var n, offset uint32
	text := strings.Join(p.words, " ")
	if _, err := fmt.Sscanf(text, "meta priority set numgen random mod %d", &n); err != nil {
		return nil, false
	}
	rest := p.words[7:]
	if len(rest) > 1 && rest[0] == "offset" {
		offset, _ = number(rest[1])
		rest = rest[2:]
	}
	var all []flight
	for i := range n {
		one := f
		one.priority, one.probability = offset+i, f.probability/float64(n)
		all = append(all, w.words(rest, one)...)
	}
	return all, true
}
