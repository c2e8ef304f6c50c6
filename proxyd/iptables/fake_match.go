package iptables

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/bpf"
)

// fakeRule is a rule taken apart.
type fakeRule struct {
	matches   []fakeMatch
	target    string
	goes      bool // -g
	arguments map[string]string
}

// fakeMatch is one condition of a rule: a flag and its value.
type fakeMatch struct {
	flag, value string
	not         bool
}

// flagsWithoutValue are those that no value follows.
var flagsWithoutValue = map[string]bool{
	"--update": true, "--rcheck": true, "--set": true, "--reap": true, "--rsource": true, "--random-fully": true,
}

// parseRule takes a rule apart; it must be in the form of iptables-save.
func parseRule(line string) fakeRule {
	r := fakeRule{arguments: map[string]string{}}
	words := splitWords(line)
	not := false
	for i := 0; i < len(words); i++ {
		flag, value := words[i], ""
		if flag == "!" {
			not = true
			continue
		}
		if !flagsWithoutValue[flag] {
			i++
			value = words[i]
		}
		switch {
		case flag == "-j" || flag == "-g":
			r.target, r.goes = value, flag == "-g"
		case r.target != "":
			r.arguments[flag] = value
		default:
			r.matches = append(r.matches, fakeMatch{flag, value, not})
		}
		not = false
	}
	return r
}

// splitWords splits at spaces that don't stand between double quotes.
func splitWords(line string) []string {
	var words []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(part)...)
		}
	}
	return words
}

// match splits a packet by chance into one that a rule matches and one that it
// doesn't. Either may have no probability.
func (w walk) match(r fakeRule, f flight) (hit, miss flight) {
	hit, miss = f, f
	miss.probability = 0
	list, update := "", false
	for _, m := range r.matches {
		switch m.flag {
		case "--probability":
			p, _ := strconv.ParseFloat(m.value, 64)
			miss.probability += hit.probability * (1 - p)
			hit.probability *= p
		case "--name":
			list = m.value
		case "--update":
			update = true
		default:
			if w.holds(m, f) == m.not {
				hit.probability, miss.probability = 0, f.probability
				return hit, miss
			}
		}
	}
	if update && !w.fake.seen[list][f.From.String()] {
		hit.probability, miss.probability = 0, f.probability
	}
	if list != "" {
		hit.listed = append(f.listed[:len(f.listed):len(f.listed)], list)
	}
	return hit, miss
}

// holds reports whether a packet meets a condition, its negation aside.
func (w walk) holds(m fakeMatch, f flight) bool {
	switch m.flag {
	case "-m", "--mode", "--seconds", "--mask", "--reap", "--rsource", "--set":
		return true
	case "-d":
		return netip.MustParsePrefix(m.value).Contains(f.To.Addr())
	case "-s":
		return netip.MustParsePrefix(m.value).Contains(f.From)
	case "-p":
		return strings.EqualFold(m.value, string(f.Protocol))
	case "--dport":
		return hasPort(m.value, f.To.Port())
	case "--dst-type":
		return w.isHere(f.To.Addr())
	case "--src-type":
		return f.Local || w.isHere(f.From)
	case "--ctstate":
		return m.value == "NEW" || m.value == "DNAT" && f.translated
	case "--ctorigdst":
		return within(m.value, f.original.Addr())
	case "--mark":
		value, mask := parseMark(m.value)
		return f.mark&mask == value
	case "--bytecode":
		return w.runs(m.value, f)
	}
	panic(fmt.Sprintf("the fake knows no match %q", m.flag))
}

// hasPort reports whether a port is the one, or in the range, that a text
// names.
func hasPort(text string, port uint16) bool {
	low, high, ranges := strings.Cut(text, ":")
	if !ranges {
		high = low
	}
	from, _ := strconv.ParseUint(low, 10, 16)
	to, _ := strconv.ParseUint(high, 10, 16)
	return from <= uint64(port) && uint64(port) <= to
}

// isHere reports whether an address is one of the node.
func (w walk) isHere(a netip.Addr) bool { return a.IsLoopback() || slices.Contains(w.fake.Addrs, a) }

// within reports whether an address is in a prefix or the same address.
func within(text string, a netip.Addr) bool {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Contains(a)
	}
	return netip.MustParseAddr(text) == a
}

// runs runs a BPF program, in the decimal form of iptables, over the packet's
// header.
func (w walk) runs(program string, f flight) bool {
	var code []bpf.Instruction
	for _, text := range strings.Split(program, ",")[1:] {
		var raw bpf.RawInstruction
		if _, err := fmt.Sscan(text, &raw.Op, &raw.Jt, &raw.Jf, &raw.K); err != nil {
			panic(err)
		}
		code = append(code, raw.Disassemble())
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		panic(err)
	}
	n, err := vm.Run(header(f))
	return err == nil && n > 0
}

// header returns an IP header with the packet's addresses.
func header(f flight) []byte {
	from, to := f.From.AsSlice(), f.To.Addr().AsSlice()
	if len(from) == 4 {
		h := make([]byte, 20)
		h[0] = 0x45
		copy(h[12:], from)
		copy(h[16:], to)
		return h
	}
	h := make([]byte, 40)
	binary.BigEndian.PutUint32(h, 6<<28)
	copy(h[8:], from)
	copy(h[24:], to)
	return h
}
