package announce

import (
	"encoding/binary"
	"net"
	"net/netip"

	ndpmessage "github.com/mdlayher/ndp"
	"golang.org/x/net/bpf"
)

// ndp finds the owners of IPv6 addresses (RFC 4861, RFC 4862).
var ndp = protocol{
	name: "ndp", etherType: etherIPv6,
	filter: []bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherIPv6, SkipTrue: 6},
		bpf.LoadAbsolute{Off: etherLen + 6, Size: 1}, // next header
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: icmp6, SkipTrue: 4},
		bpf.LoadAbsolute{Off: etherLen + ip6Len, Size: 1}, // ICMPv6 type
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: solicitation, SkipTrue: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: advertisement, SkipTrue: 1},
		bpf.RetConstant{Val: 1500},
		bpf.RetConstant{Val: 0},
	},
	read: readNDP,
	answer: func(own mac, addr netip.Addr, q heard) []byte {
		if !q.source.IsValid() || q.source.IsUnspecified() { // it looks for duplicates
			return advertise(own, addr, multicastMAC(allNodes), allNodes, false)
		}
		return advertise(own, addr, q.from, q.source, true)
	},
	announce: func(own mac, addr netip.Addr) [][]byte {
		return [][]byte{advertise(own, addr, multicastMAC(allNodes), allNodes, false)}
	},
	probe: func(own mac, addr netip.Addr) []byte {
		group := solicitedNode(addr)
		return ndpFrame(own, multicastMAC(group), netip.IPv6Unspecified(), group,
			&ndpmessage.NeighborSolicitation{TargetAddress: addr})
	},
}

const (
	ip6Len        = 40 // of an IPv6 header
	icmp6         = 58
	solicitation  = 135
	advertisement = 136
	// ndpHops is the hop limit of neighbour discovery: what has it comes from
	// the same segment.
	ndpHops = 255
)

var allNodes = netip.MustParseAddr("ff02::1")

// solicitedNode returns the multicast group at which an address's owner is
// asked for.
func solicitedNode(addr netip.Addr) netip.Addr {
	bytes := addr.As16()
	group := netip.MustParseAddr("ff02::1:ff00:0").As16()
	copy(group[13:], bytes[13:])
	return netip.AddrFrom16(group)
}

// multicastMAC returns where frames for a group are sent.
func multicastMAC(group netip.Addr) mac {
	bytes := group.As16()
	return mac{0x33, 0x33, bytes[12], bytes[13], bytes[14], bytes[15]}
}

// advertise says where an address is, and that what others know is outdated.
func advertise(own mac, addr netip.Addr, to mac, toIP netip.Addr, asked bool) []byte {
	return ndpFrame(own, to, addr, toIP, &ndpmessage.NeighborAdvertisement{
		Solicited: asked, Override: true, TargetAddress: addr,
		Options: []ndpmessage.Option{&ndpmessage.LinkLayerAddress{Direction: ndpmessage.Target, Addr: net.HardwareAddr(own[:])}},
	})
}

func ndpFrame(from, to mac, source, destination netip.Addr, m ndpmessage.Message) []byte {
	message, err := ndpmessage.MarshalMessageChecksum(m, source, destination)
	if err != nil {
		return nil // only for addresses that aren't of IPv6
	}
	frame := ether(to, from, etherIPv6, ip6Len+len(message))
	frame = append(frame, 0x60, 0, 0, 0)
	frame = binary.BigEndian.AppendUint16(frame, uint16(len(message)))
	frame = append(frame, icmp6, ndpHops)
	src, dst := source.As16(), destination.As16()
	frame = append(frame, src[:]...)
	frame = append(frame, dst[:]...)
	return append(frame, message...)
}

// readNDP understands neighbour solicitations and advertisements that come
// from the same segment. Their checksum isn't looked at: Ethernet has one.
func readNDP(frame []byte) (heard, bool) {
	data, from, ok := payload(frame, etherIPv6)
	if !ok || len(data) < ip6Len || data[0]>>4 != 6 || data[6] != icmp6 || data[7] != ndpHops {
		return heard{}, false
	}
	n := int(binary.BigEndian.Uint16(data[4:6]))
	if n > len(data)-ip6Len {
		return heard{}, false
	}
	message, err := ndpmessage.ParseMessage(data[ip6Len : ip6Len+n])
	if err != nil {
		return heard{}, false
	}
	h := heard{from: from, source: netip.AddrFrom16([16]byte(data[8:24]))}
	switch m := message.(type) {
	case *ndpmessage.NeighborSolicitation:
		h.asks = m.TargetAddress
	case *ndpmessage.NeighborAdvertisement:
		h.claims = m.TargetAddress
	default:
		return heard{}, false
	}
	return h, true
}
