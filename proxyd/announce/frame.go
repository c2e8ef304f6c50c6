package announce

import (
	"net/netip"

	"golang.org/x/net/bpf"
)

// mac is an Ethernet address.
type mac [6]byte

// everybody is the broadcast address.
var everybody = mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}

const (
	etherLen  = 14 // of an Ethernet header
	etherARP  = 0x0806
	etherIPv6 = 0x86dd
)

// heard is what somebody else on the segment said.
type heard struct {
	from   mac        // who said it
	asks   netip.Addr // whose owner is asked for; not valid if none's
	claims netip.Addr // which the sender says it has; not valid if none
	source netip.Addr // whom to answer; not valid, or unspecified, if who asks has no address
}

// protocol is how owners of addresses of one family are found.
type protocol struct {
	name      string
	etherType uint16
	filter    []bpf.Instruction // lets through what read is for
	// read understands a frame; false for one that says nothing.
	read func(frame []byte) (heard, bool)
	// answer returns the frame that answers a question about an address.
	answer func(own mac, addr netip.Addr, question heard) []byte
	// announce returns the frames that tell everybody.
	announce func(own mac, addr netip.Addr) [][]byte
	// probe returns the frame that asks for another owner.
	probe func(own mac, addr netip.Addr) []byte
}

// protocolOf returns the protocol of an address's family.
func protocolOf(addr netip.Addr) *protocol {
	if addr.Is4() {
		return &arp
	}
	return &ndp
}

// ether returns an Ethernet header with room behind it.
func ether(to, from mac, etherType uint16, room int) []byte {
	frame := make([]byte, 0, etherLen+room)
	frame = append(frame, to[:]...)
	frame = append(frame, from[:]...)
	return append(frame, byte(etherType>>8), byte(etherType))
}

// payload returns what an Ethernet frame of a type carries, and who sent it.
func payload(frame []byte, etherType uint16) (data []byte, from mac, ok bool) {
	if len(frame) < etherLen || frame[12] != byte(etherType>>8) || frame[13] != byte(etherType) {
		return nil, mac{}, false
	}
	return frame[etherLen:], mac(frame[6:12]), true
}
