package iptables

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// stride is how many bits of an address, or of a port, one level of the tree
// decides: a chain leads to at most 1<<stride others.
const stride = 3

// point is a frontend as a string of bits: its address (16 bytes), its protocol
// (1) and its port (2). Frontends of one family have the order of their points.
type point [19]byte

// Where the parts of a point end, in bits.
const (
	addrEnd     = 128
	protocolEnd = addrEnd + 8
	pointEnd    = protocolEnd + 16
)

// protocols are in the order of their bytes in a point.
var protocols = []registry.Protocol{registry.SCTP, registry.TCP, registry.UDP}

func pointOf(f rules.Frontend) point {
	var p point
	addr := f.Addr.As16()
	copy(p[:], addr[:])
	p[16] = byte(slices.Index(protocols, f.Protocol))
	binary.BigEndian.PutUint16(p[17:], f.Port)
	return p
}

// span is a set of frontends: those whose points begin with the same bits.
// Those bits end within the address, so that it is a network; or they are an
// address, an address and a protocol, or both and the first bits of the port.
type span struct {
	first point // the lowest
	bits  int
}

// spanOf returns the span of one frontend.
func spanOf(f rules.Frontend) span { return span{pointOf(f), pointEnd} }

// spanAt returns the span of some length around a point.
func spanAt(p point, bits int) span {
	s := span{bits: bits}
	whole := copy(s.first[:], p[:bits/8])
	if bits%8 > 0 {
		s.first[whole] = p[whole] &^ (0xff >> (bits % 8))
	}
	return s
}

// contains reports whether a point lies inside a span.
func (s span) contains(p point) bool { return spanAt(p, s.bits) == s }

// inside reports whether a span lies inside another one and is smaller.
func (s span) inside(outer span) bool { return s.bits > outer.bits && outer.contains(s.first) }

func (s span) compare(other span) int { return bytes.Compare(s.first[:], other.first[:]) }

// share returns the part of a span that one child can have: that around a
// point.
func (s span) share(p point) span { return spanAt(p, s.nextStop()) }

// around returns the tightest span around two that a chain can stand for.
func around(a, b span) span {
	bits := min(a.bits, b.bits)
	for i := range a.first {
		if diff := a.first[i] ^ b.first[i]; diff != 0 {
			for bits = min(bits, 8*i); diff&0x80 == 0; diff <<= 1 {
				bits++
			}
			break
		}
	}
	return spanAt(a.first, a.stop(bits))
}

// base returns where the family's addresses begin in a point.
func (s span) base() int {
	if netip.AddrFrom16([16]byte(s.first[:16])).Is4In6() {
		return addrEnd - 32
	}
	return 0
}

// stop returns the longest length up to a number of bits that a chain can stand
// for: a multiple of stride in the address, all of it, the protocol, and in the
// port the first bit and then a stride at a time.
func (s span) stop(bits int) int {
	switch base := s.base(); {
	case bits > protocolEnd:
		return bits - (bits-protocolEnd-1)%stride
	case bits == protocolEnd:
		return bits
	case bits >= addrEnd:
		return addrEnd
	default:
		return bits - (bits-base)%stride
	}
}

// nextStop returns the next such length after the span's own.
func (s span) nextStop() int {
	switch {
	case s.bits > protocolEnd:
		return min(s.bits+stride, pointEnd)
	case s.bits == protocolEnd:
		return protocolEnd + 1
	case s.bits == addrEnd:
		return protocolEnd
	}
	return min(s.bits+stride, addrEnd)
}

// network returns the addresses of a span.
func (s span) network() netip.Prefix {
	addr := netip.AddrFrom16([16]byte(s.first[:16])).Unmap()
	return netip.PrefixFrom(addr, min(s.bits, addrEnd)-s.base())
}

// isPorts reports whether the span is of node ports, that have no address.
func (s span) isPorts() bool {
	return s.bits >= addrEnd && netip.AddrFrom16([16]byte(s.first[:16])).Unmap().IsUnspecified()
}

// protocol returns the protocol of a span that has only one.
func (s span) protocol() registry.Protocol { return protocols[s.first[16]] }

// low returns the lowest port of a span.
func (s span) low() uint16 { return binary.BigEndian.Uint16(s.first[17:]) }

// ports returns the ports of a span as "80" or "1024:2047".
func (s span) ports() string {
	if s.bits == pointEnd {
		return strconv.Itoa(int(s.low()))
	}
	return fmt.Sprintf("%d:%d", s.low(), s.low()|(1<<(pointEnd-s.bits)-1))
}

// match returns the match for packets to a span, with a space behind it, in a
// chain that only packets to another span come to.
func (s span) match(in span) string {
	var b strings.Builder
	if in.bits < addrEnd && s.network().Bits() > 0 && !s.isPorts() {
		b.WriteString("-d " + s.network().String() + " ")
	}
	if s.bits > addrEnd {
		b.WriteString(proto(s.protocol()))
	}
	if s.bits > protocolEnd && s != in {
		fmt.Fprintf(&b, "-m %s --dport %s ", strings.ToLower(string(s.protocol())), s.ports())
	}
	return b.String()
}

// chain returns the name of the chain that handles all frontends of a span. It
// has at most 28 characters, which is the limit.
func (s span) chain() string {
	network := s.network()
	var name string
	switch {
	case s.isPorts():
		name = ownPrefix + "NODEPORT"
	case network.Addr().Is4():
		addr := network.Addr().As4()
		name = fmt.Sprintf("%s%08X", ownPrefix, binary.BigEndian.Uint32(addr[:]))
	default:
		return ownPrefix + "6-" + digest(fmt.Sprintf("%v/%x/%d", network, s.first[addrEnd/8:], s.bits))
	}
	switch {
	case s.bits > addrEnd:
	case s.isPorts():
		return name + "-ALL"
	default:
		return fmt.Sprintf("%s-%d", name, network.Bits())
	}
	return fmt.Sprintf("%s-%s-%04X-%d", name, s.protocol(), s.low(), s.bits-protocolEnd)
}

// proto returns the match for a protocol, with a space behind it.
func proto(p registry.Protocol) string { return "-p " + strings.ToLower(string(p)) + " " }
