package pool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// Range is some addresses of one family, one after the other. Both ends are in
// it.
type Range struct{ First, Last netip.Addr }

// ParseRange reads a network such as 203.0.113.0/28, a range such as
// 203.0.113.2-203.0.113.9, or one address. The error says what was expected.
func ParseRange(text string) (Range, error) {
	r, err := parseRange(strings.TrimSpace(text))
	if err != nil {
		return Range{}, err
	}
	for _, p := range r.Prefixes() {
		if err := registry.CheckNetwork(p); err != nil {
			return Range{}, err
		}
	}
	return r, nil
}

func parseRange(text string) (Range, error) {
	if first, last, ok := strings.Cut(text, "-"); ok {
		return parseEnds(strings.TrimSpace(first), strings.TrimSpace(last))
	}
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return Range{a, a}, nil
	}
	p, err := netip.ParsePrefix(text)
	switch {
	case err != nil:
		return Range{}, errors.New("want a network such as 203.0.113.0/28, or a range such as 203.0.113.2-203.0.113.9")
	case p != p.Masked():
		return Range{}, fmt.Errorf("want %s: bits of the host are set", p.Masked())
	}
	return rangeOf(p), nil
}

func parseEnds(first, last string) (Range, error) {
	a, err1 := netip.ParseAddr(first)
	b, err2 := netip.ParseAddr(last)
	a, b = a.Unmap(), b.Unmap()
	switch {
	case err1 != nil || err2 != nil || a.Zone()+b.Zone() != "" || a.Is4() != b.Is4():
		return Range{}, errors.New("want two addresses of one family, such as 203.0.113.2-203.0.113.9")
	case b.Less(a):
		return Range{}, errors.New("want the lower address first")
	}
	return Range{a, b}, nil
}

// rangeOf returns all addresses of a network.
func rangeOf(p netip.Prefix) Range {
	last := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(last)*8; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(last)
	return Range{p.Addr(), a}
}

// String returns the range as it can be written in a pool.
func (r Range) String() string {
	if r.First == r.Last {
		return r.First.String()
	}
	for bits := range r.First.BitLen() {
		if p := netip.PrefixFrom(r.First, bits); p == p.Masked() && rangeOf(p) == r {
			return p.String()
		}
	}
	return r.First.String() + "-" + r.Last.String()
}

// Contains reports whether an address is in the range.
func (r Range) Contains(a netip.Addr) bool {
	return a.BitLen() == r.First.BitLen() && !a.Less(r.First) && !r.Last.Less(a)
}

func (r Range) overlaps(other Range) bool {
	return r.Contains(other.First) || other.Contains(r.First)
}

// Prefixes returns the networks that are the range together.
func (r Range) Prefixes() []netip.Prefix {
	var list []netip.Prefix
	for a := r.First; r.Contains(a); {
		bits := a.BitLen()
		for bits > 0 {
			wider := netip.PrefixFrom(a, bits-1)
			if wider != wider.Masked() || !r.Contains(rangeOf(wider).Last) {
				break
			}
			bits--
		}
		p := netip.PrefixFrom(a, bits)
		list, a = append(list, p), rangeOf(p).Last.Next()
	}
	return list
}

// size returns how many addresses the range has, with or without the buggy.
func (r Range) size(avoid bool) float64 {
	if r.First.Is4() {
		first, last := number(r.First), number(r.Last)+1
		size := last - first
		if avoid {
			size -= buggyBelow(last) - buggyBelow(first)
		}
		return float64(size)
	}
	first, last := r.First.As16(), r.Last.As16()
	high := binary.BigEndian.Uint64(last[:8]) - binary.BigEndian.Uint64(first[:8])
	low := float64(binary.BigEndian.Uint64(last[8:])) - float64(binary.BigEndian.Uint64(first[8:]))
	if high == 0 {
		low = float64(binary.BigEndian.Uint64(last[8:]) - binary.BigEndian.Uint64(first[8:]))
	}
	return float64(high)*math.Exp2(64) + low + 1
}

func number(a netip.Addr) uint64 {
	four := a.As4()
	return uint64(binary.BigEndian.Uint32(four[:]))
}

// buggy reports whether an address of IPv4 ends in .0 or .255.
func buggy(a netip.Addr) bool {
	return a.Is4() && (a.As4()[3] == 0 || a.As4()[3] == 255)
}

// buggyBelow returns how many buggy addresses have a lower number.
func buggyBelow(n uint64) uint64 { return n/256*2 + min(1, n%256) }
