package write

import (
	"encoding/binary"
	"net/netip"
)

// network is a portal network: addresses to be taken. Its addresses are
// numbered from 1; number 0 is the network's own address in IPv4, and that of
// any router in IPv6 (RFC 4291 section 2.6.1).
type network struct{ netip.Prefix }

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
	number, ok := pick(n.size(), func(number uint64) bool { return held(n.at(number)) }, random)
	if !ok {
		return netip.Addr{}, false
	}
	return n.at(number), true
}
