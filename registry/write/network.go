package write

import (
	"encoding/binary"
	"net/netip"
)

// network is a portal network: addresses to be taken. Its addresses are
// numbered from 1; number 0 is the network's own address in IPv4, and that of
// any router in IPv6 (RFC 4291 section 2.6.1).
type network struct{ netip.Prefix }

// probes is how many addresses are tried at random before the rest is
// searched in order. A network that is nine tenths full yields one within
// this many in all but one of a hundred million cases.
const probes = 175

// size returns how many addresses can be taken. An IPv4 network's last is its
// broadcast address.
func (n network) size() uint64 {
	hostBits := n.Addr().BitLen() - n.Bits()
	size := ^uint64(0) >> (64 - hostBits)
	if n.Addr().Is4() {
		size--
	}
	return size
}

// reserved returns how many addresses at the beginning are given away only
// when no others are left, so that services which name their portal IP, and
// which by habit name a low one, find it free.
func (n network) reserved() uint64 {
	return min(max(16, n.size()/16), 256, n.size()/2)
}

// at returns the address of a number.
func (n network) at(number uint64) netip.Addr {
	if n.Addr().Is4() {
		four := n.Addr().As4()
		base := binary.BigEndian.Uint32(four[:])
		binary.BigEndian.PutUint32(four[:], base+uint32(number))
		return netip.AddrFrom4(four)
	}
	all := n.Addr().As16()
	base := binary.BigEndian.Uint64(all[8:])
	binary.BigEndian.PutUint64(all[8:], base+number)
	return netip.AddrFrom16(all)
}

// offers reports whether an address is one that can be taken.
func (n network) offers(addr netip.Addr) bool {
	return n.Contains(addr) && addr != n.at(0) && addr.Compare(n.at(n.size())) <= 0
}

// pick returns an address that nobody holds, or false if all are held. random
// returns a number below its argument.
func (n network) pick(held func(netip.Addr) bool, random func(uint64) uint64) (netip.Addr, bool) {
	reserved, size := n.reserved(), n.size()
	for range probes {
		if addr := n.at(1 + reserved + random(size-reserved)); !held(addr) {
			return addr, true
		}
	}
	if addr, ok := n.scan(1+reserved, size, held, random); ok {
		return addr, true
	}
	return n.scan(1, reserved, held, random)
}

// scan looks through the numbers from first to last, beginning anywhere. It
// takes one step more than there are addresses held, however large the
// network.
func (n network) scan(first, last uint64, held func(netip.Addr) bool, random func(uint64) uint64) (netip.Addr, bool) {
	if last < first {
		return netip.Addr{}, false
	}
	count := last - first + 1
	start := random(count)
	for i := range count {
		if addr := n.at(first + (start+i)%count); !held(addr) {
			return addr, true
		}
	}
	return netip.Addr{}, false
}
