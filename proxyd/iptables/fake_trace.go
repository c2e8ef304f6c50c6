package iptables

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// Packet is the first packet of a connection.
type Packet struct {
	From     netip.Addr
	To       netip.AddrPort
	Protocol registry.Protocol
	// Local says that a process of the node itself sends it; it is routed
	// through the node otherwise.
	Local bool
}

// Outcome is what may become of a packet.
type Outcome struct {
	// To is where the packet goes, translated or not.
	To netip.AddrPort
	// Refused says that it is answered with a refusal instead, and How with
	// which; "drop" is none at all.
	Refused bool
	How     string
	// Masqueraded says that its source becomes the node.
	Masqueraded bool
}

// Trace returns each possible outcome of a packet with its probability. It
// panics on rules that are of another kind than those this package writes.
func (f *Fake) Trace(p Packet) map[Outcome]float64 {
	outcomes, _ := f.trace(p)
	return outcomes
}

// Send lets a packet pass once: of the possible outcomes it takes the last to
// come up in the order of the rules, and lists of recent clients take note.
func (f *Fake) Send(p Packet) Outcome {
	_, ends := f.trace(p)
	last := ends[len(ends)-1]
	for _, list := range last.listed {
		if f.seen[list] == nil {
			f.seen[list] = map[string]bool{}
		}
		f.seen[list][p.From.String()] = true
	}
	return last.outcome()
}

func (f *Fake) trace(p Packet) (map[Outcome]float64, []flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	family := rules.IPv4
	if p.To.Addr().Is6() {
		family = rules.IPv6
	}
	w := walk{fake: f, tables: f.families[family], family: family}
	first := "PREROUTING"
	if p.Local {
		first = "OUTPUT"
	}
	ends := w.hook(tableNAT, first, []flight{{Packet: p, original: p.To, probability: 1}})
	ends = w.route(ends)
	ends = w.hook(tableNAT, "POSTROUTING", ends)
	outcomes := map[Outcome]float64{}
	for _, e := range ends {
		outcomes[e.outcome()] += e.probability
	}
	return outcomes, ends
}

// flight is a packet on one of its possible ways.
type flight struct {
	Packet
	original    netip.AddrPort
	probability float64
	mark        uint64
	translated  bool
	masqueraded bool
	refused     string
	listed      []string // lists of xt_recent that the client comes onto
	done        bool     // with the hook it is in
}

func (f flight) outcome() Outcome {
	return Outcome{f.To, f.refused != "", f.refused, f.masqueraded}
}

// walk follows packets through the rules of one family.
type walk struct {
	fake   *Fake
	tables map[string]fakeTable
	family rules.Family
}

// route lets packets pass the chain of table filter that is on their way.
func (w walk) route(in []flight) []flight {
	var out []flight
	for _, f := range in {
		chain := "FORWARD"
		switch {
		case f.Local:
			chain = "OUTPUT"
		case w.isHere(f.To.Addr()):
			chain = "INPUT"
		}
		out = append(out, w.hook(tableFilter, chain, []flight{f})...)
	}
	return out
}

// hook lets packets pass one of the kernel's own chains.
func (w walk) hook(table, chain string, in []flight) []flight {
	var out []flight
	for _, f := range in {
		if f.refused != "" {
			out = append(out, f)
			continue
		}
		f.done = false
		out = append(out, w.chain(table, chain, []flight{f})...)
	}
	return out
}

// chain lets packets pass a chain; those that aren't done return from it.
func (w walk) chain(table, chain string, in []flight) []flight {
	var out []flight
	for _, line := range w.tables[table][chain] {
		r := parseRule(line)
		var next []flight
		for _, f := range in {
			if f.done {
				out = append(out, f)
				continue
			}
			w.fake.met++
			hit, miss := w.match(r, f)
			if hit.probability > 0 {
				stay, leave := w.act(table, r, hit)
				next = append(next, stay...)
				out = append(out, leave...)
			}
			if miss.probability > 0 {
				next = append(next, miss)
			}
		}
		in = next
	}
	return append(out, in...)
}

// act carries out a rule's target. Packets that stay go on to the next rule.
func (w walk) act(table string, r fakeRule, f flight) (stay, leave []flight) {
	switch {
	case strings.HasPrefix(r.target, ownPrefix) && r.goes:
		return nil, w.chain(table, r.target, []flight{f})
	case strings.HasPrefix(r.target, ownPrefix):
		for _, back := range w.chain(table, r.target, []flight{f}) {
			if back.done {
				leave = append(leave, back)
			} else {
				stay = append(stay, back)
			}
		}
		return stay, leave
	case r.target == "RETURN":
		return nil, []flight{f}
	case r.target == "MARK":
		value, mask := parseMark(r.arguments["--set-xmark"])
		f.mark = f.mark&^mask ^ value
		return []flight{f}, nil
	}
	w.end(r, &f)
	return nil, []flight{f}
}

// end carries out a target that ends a packet's way through the hook.
func (w walk) end(r fakeRule, f *flight) {
	f.done = true
	switch r.target {
	case "DNAT":
		f.To, f.translated = netip.MustParseAddrPort(r.arguments["--to-destination"]), true
	case "MASQUERADE":
		f.masqueraded = true
	case "REJECT":
		f.refused = r.arguments["--reject-with"]
	case "DROP":
		f.refused = "drop"
	case "ACCEPT":
	default:
		panic(fmt.Sprintf("the fake knows no target %q", r.target))
	}
}

func parseMark(text string) (value, mask uint64) {
	v, m, _ := strings.Cut(text, "/")
	value, _ = strconv.ParseUint(v, 0, 32)
	mask, _ = strconv.ParseUint(m, 0, 32)
	return value, mask
}
