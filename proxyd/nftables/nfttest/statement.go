package nfttest

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// statement carries out what the next words say, and reports whether the rule
// goes on: a condition that doesn't hold ends it.
func (w *walk) statement(p *parser, f *flight) bool {
	switch word := p.words[0]; word {
	case "goto", "jump":
		p.next()
		f.verdict, f.target = goes, p.next()
		if word == "jump" {
			f.verdict = jumps
		}
	case "return":
		f.verdict = returns
	case "accept":
		f.verdict = ended
	case "drop":
		f.verdict, f.refused = ended, "drop"
	case "reject":
		return w.reject(p, f)
	case "masquerade":
		f.verdict, f.masqueraded = ended, true
	case "dnat":
		return w.translate(p, f)
	case "delete", "update", "add":
		p.words = p.words[3:] // a dynamic map
	case "fib":
		return w.fib(p, f)
	case "ct":
		p.words = p.words[min(3, len(p.words)):]
		return f.translated
	default:
		return w.metaOrMatch(p, f)
	}
	return true
}

// reject carries out "reject [with HOW]". Only TCP is answered with a reset; nft
// prints no condition for that.
func (w *walk) reject(p *parser, f *flight) bool {
	how := strings.TrimPrefix(strings.Join(p.words[1:], " "), "with ")
	p.words = nil
	switch {
	case how == "tcp reset" && f.Protocol != "tcp":
		return false
	case how == "" || strings.HasSuffix(how, " port-unreachable"):
		how = "port-unreachable"
	}
	f.verdict, f.refused = ended, how
	return true
}

// translate carries out "dnat ip to KEY map @NAME".
func (w *walk) translate(p *parser, f *flight) bool {
	i := slices.Index(p.words, "to")
	p.words = p.words[i+1:]
	key := w.key(p, f)
	value, ok := w.lookup(p, "map", key)
	if !ok {
		return false
	}
	addr, err := netip.ParseAddr(value[0])
	port, err2 := strconv.ParseUint(value[len(value)-1], 10, 16)
	if err != nil || err2 != nil {
		w.fail("%q: want an address and a port", value)
	}
	f.To, f.translated, f.verdict = netip.AddrPortFrom(addr, uint16(port)), true, ended
	return true
}

// fib carries out "fib saddr type local" and the same for daddr.
func (w *walk) fib(p *parser, f *flight) bool {
	addr := f.To.Addr()
	if p.words[1] == "saddr" {
		addr = f.From
	}
	p.words = p.words[4:]
	return addr.IsLoopback() || slices.Contains(f.NodeAddrs, addr)
}

// metaOrMatch carries out what begins with "meta", or with a field.
func (w *walk) metaOrMatch(p *parser, f *flight) bool {
	switch text := strings.Join(p.words, " "); {
	case strings.HasPrefix(text, "meta priority set "):
		p.words = p.words[3:]
		return w.setPriority(p, f)
	case strings.HasPrefix(text, "meta mark set meta mark | "):
		bit, _ := number(p.words[6])
		f.mark |= bit
		p.words = p.words[7:]
		return true
	case strings.HasPrefix(text, "meta mark & "):
		bit, _ := number(p.words[3])
		not := p.words[4] == "!="
		p.words = p.words[6:] // the last is 0
		return (f.mark&bit != 0) == not
	}
	return w.match(p, f)
}

// setPriority carries out "meta priority set", to a number or to what a map
// has.
func (w *walk) setPriority(p *parser, f *flight) bool {
	if n, ok := number(p.words[0]); ok {
		p.next()
		f.priority = n
		return true
	}
	key := w.key(p, f)
	value, ok := w.lookup(p, "map", key)
	if !ok {
		return false
	}
	f.priority, _ = number(value[0])
	return true
}

// match carries out "KEY @SET", "KEY != @SET", "KEY VALUE" and "KEY vmap @MAP".
func (w *walk) match(p *parser, f *flight) bool {
	key := w.key(p, f)
	if len(p.words) == 0 {
		w.fail("%q: want more after the key", key)
		return false
	}
	if p.words[0] == "vmap" {
		value, ok := w.lookup(p, "vmap", key)
		if !ok {
			return false
		}
		return w.statement(&parser{strings.Fields(value[0])}, f)
	}
	not := p.words[0] == "!="
	if not || p.words[0] == "==" {
		p.next()
	}
	word := p.next()
	holds := slices.EqualFunc(parts([]string{word}), key, covers)
	if name, isSet := strings.CutPrefix(word, "@"); isSet {
		_, holds = w.set(name).get(key)
	}
	return holds != not
}

// lookup carries out "map @NAME" for a key.
func (w *walk) lookup(p *parser, how string, key []string) ([]string, bool) {
	if err := p.want(how); err != nil {
		w.fail("%v", err)
		return nil, false
	}
	return w.set(strings.TrimPrefix(p.next(), "@")).get(key)
}

func (w *walk) set(name string) *set {
	s, ok := w.table.sets[name]
	if !ok {
		w.fail("no set %q", name)
		return &set{}
	}
	return s
}

// key reads fields with points between them, and returns what the packet has
// there.
func (w *walk) key(p *parser, f *flight) []string {
	key := []string{w.field(p, f)}
	for len(p.words) > 0 && p.words[0] == "." {
		p.next()
		key = append(key, w.field(p, f))
	}
	return key
}

// field reads one field, and returns what the packet has there.
func (w *walk) field(p *parser, f *flight) string {
	switch name := p.next() + " " + p.next(); name {
	case "ip daddr", "ip6 daddr":
		if len(p.words) > 1 && p.words[0] == "&" {
			p.next()
			return canonical(p.next()) // a mask without bits
		}
		return f.To.Addr().String()
	case "ip saddr", "ip6 saddr":
		return f.From.String()
	case "meta l4proto":
		return f.Protocol
	case "th dport":
		return strconv.Itoa(int(f.To.Port()))
	case "meta priority":
		return strconv.FormatUint(uint64(f.priority), 10)
	default:
		w.fail("unknown field %q", name)
		return ""
	}
}

// number reads a number: decimal, hexadecimal, or in two halves as classes of
// traffic control are written, "1b:0". Class zero is called "none".
func number(text string) (uint32, bool) {
	if text == "none" {
		return 0, true
	}
	if high, low, ok := strings.Cut(text, ":"); ok {
		h, err1 := strconv.ParseUint(high, 16, 16)
		l, err2 := strconv.ParseUint(low, 16, 16)
		return uint32(h<<16 | l), err1 == nil && err2 == nil
	}
	n, err := strconv.ParseUint(text, 0, 32)
	return uint32(n), err == nil
}
