package announce

import (
	"bytes"
	"net/netip"

	"golang.org/x/net/bpf"
)

// arp finds the owners of IPv4 addresses (RFC 826, RFC 5227).
var arp = protocol{
	name: "arp", etherType: etherARP,
	filter: []bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: etherARP, SkipTrue: 1},
		bpf.RetConstant{Val: etherLen + arpLen},
		bpf.RetConstant{Val: 0},
	},
	read: readARP,
	answer: func(own mac, addr netip.Addr, q heard) []byte {
		to := q.source
		if !to.IsValid() {
			to = netip.IPv4Unspecified()
		}
		return arpFrame(q.from, arpPacket{arpReply, own, addr, q.from, to})
	},
	announce: func(own mac, addr netip.Addr) [][]byte {
		// Some listen to the one kind only, some to the other.
		return [][]byte{
			arpFrame(everybody, arpPacket{arpRequest, own, addr, mac{}, addr}),
			arpFrame(everybody, arpPacket{arpReply, own, addr, everybody, addr}),
		}
	},
	probe: func(own mac, addr netip.Addr) []byte {
		return arpFrame(everybody, arpPacket{arpRequest, own, netip.IPv4Unspecified(), mac{}, addr})
	},
}

const (
	arpLen     = 28
	arpRequest = 1
	arpReply   = 2
)

// arpHead is how every ARP packet for IPv4 over Ethernet begins.
var arpHead = []byte{0, 1, 8, 0, 6, 4, 0}

// arpPacket is one for IPv4 over Ethernet.
type arpPacket struct {
	operation byte
	sender    mac
	senderIP  netip.Addr
	target    mac
	targetIP  netip.Addr
}

func arpFrame(to mac, p arpPacket) []byte {
	sender, target := p.senderIP.As4(), p.targetIP.As4()
	frame := ether(to, p.sender, etherARP, arpLen)
	frame = append(frame, arpHead...)
	frame = append(frame, p.operation)
	frame = append(frame, p.sender[:]...)
	frame = append(frame, sender[:]...)
	frame = append(frame, p.target[:]...)
	return append(frame, target[:]...)
}

// readARP understands requests and replies. Every packet but a probe says
// where its sender is, and a request for one's own address says only that.
func readARP(frame []byte) (heard, bool) {
	data, _, ok := payload(frame, etherARP)
	if !ok || len(data) < arpLen || !bytes.HasPrefix(data, arpHead) {
		return heard{}, false
	}
	h := heard{from: mac(data[8:14])}
	source, target := netip.AddrFrom4([4]byte(data[14:18])), netip.AddrFrom4([4]byte(data[24:28]))
	if !source.IsUnspecified() {
		h.source, h.claims = source, source
	}
	switch data[7] {
	case arpRequest:
		if target != source {
			h.asks = target
		}
	case arpReply:
	default:
		return heard{}, false
	}
	return h, h.asks.IsValid() || h.claims.IsValid()
}
