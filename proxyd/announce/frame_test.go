package announce

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/bpf"
)

var (
	us    = mac{2, 0, 0, 0, 0, 1}
	them  = mac{2, 0, 0, 0, 0, 2}
	vip4  = netip.MustParseAddr("192.0.2.100")
	vip6  = netip.MustParseAddr("2001:db8::1234:5678")
	asker = netip.MustParseAddr("192.0.2.1")
)

func bytesOf(t *testing.T, text string) []byte {
	t.Helper()
	frame, err := hex.DecodeString(strings.Join(strings.Fields(text), ""))
	if err != nil {
		t.Fatal(err)
	}
	return frame
}

// What is sent, byte by byte.
func TestFrames(t *testing.T) {
	const (
		ethARP  = "020000000001 0806 0001 0800 06 04 "
		ethNDP  = "020000000001 86dd 60000000 0020 3a ff "
		ourVIP6 = "20010db8000000000000000012345678 "
		group   = "ff0200000000000000000001ff345678 "
		all     = "ff020000000000000000000000000001 "
	)
	for _, test := range []struct {
		name  string
		frame []byte
		want  string
	}{
		{"ARP answer", arp.answer(us, vip4, heard{from: them, source: asker}),
			"020000000002 " + ethARP + "0002 020000000001 c0000264 020000000002 c0000201"},
		{"ARP answer to a probe", arp.answer(us, vip4, heard{from: them}),
			"020000000002 " + ethARP + "0002 020000000001 c0000264 020000000002 00000000"},
		{"gratuitous request", arp.announce(us, vip4)[0],
			"ffffffffffff " + ethARP + "0001 020000000001 c0000264 000000000000 c0000264"},
		{"gratuitous reply", arp.announce(us, vip4)[1],
			"ffffffffffff " + ethARP + "0002 020000000001 c0000264 ffffffffffff c0000264"},
		{"ARP probe", arp.probe(us, vip4),
			"ffffffffffff " + ethARP + "0001 020000000001 00000000 000000000000 c0000264"},
		{"advertisement to who asked", ndp.answer(us, vip6, heard{from: them, source: netip.MustParseAddr("fe80::2")}),
			"020000000002 " + ethNDP + ourVIP6 + "fe800000000000000000000000000002 8800 SUM 60000000 " + ourVIP6 + "0201 020000000001"},
		{"advertisement to who looks for duplicates", ndp.answer(us, vip6, heard{from: them, source: netip.IPv6Unspecified()}),
			"333300000001 " + ethNDP + ourVIP6 + all + "8800 SUM 20000000 " + ourVIP6 + "0201 020000000001"},
		{"unsolicited advertisement", ndp.announce(us, vip6)[0],
			"333300000001 " + ethNDP + ourVIP6 + all + "8800 SUM 20000000 " + ourVIP6 + "0201 020000000001"},
		{"solicitation that looks for duplicates", ndp.probe(us, vip6),
			"3333ff345678 " + strings.Replace(ethNDP, "0020", "0018", 1) + "00000000000000000000000000000000 " + group + "8700 SUM 00000000 " + ourVIP6},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := append([]byte(nil), test.frame...)
			if strings.Contains(test.want, "SUM") {
				if sum := checksum(got[etherLen:]); sum != 0xffff {
					t.Errorf("checksum adds up to %#x", sum)
				}
				got[etherLen+ip6Len+2], got[etherLen+ip6Len+3] = 0, 0
			}
			want := bytesOf(t, strings.Replace(test.want, " SUM", "0000", 1))
			if d := cmp.Diff(hex.EncodeToString(want), hex.EncodeToString(got)); d != "" {
				t.Error(d)
			}
		})
	}
}

// checksum adds an IPv6 packet up as RFC 8200 has it: 0xffff if it is right.
func checksum(packet []byte) uint32 {
	data := append(append([]byte{}, packet[8:]...), 0, packet[4], 0, packet[5], 0, packet[6])
	data[len(data)-6], data[len(data)-5], data[len(data)-4], data[len(data)-3] = packet[4], packet[5], 0, 0
	var sum uint32
	for i := 0; i+1 < len(data); i += 2 {
		sum += uint32(data[i])<<8 | uint32(data[i+1])
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return sum
}

// What is heard.
func TestRead(t *testing.T) {
	other := netip.MustParseAddr("fe80::2")
	for _, test := range []struct {
		name     string
		protocol *protocol
		frame    []byte
		want     heard
	}{
		{"ARP question", &arp, arpFrame(everybody, arpPacket{arpRequest, them, asker, mac{}, vip4}), heard{from: them, asks: vip4, claims: asker, source: asker}},
		{"ARP probe", &arp, arp.probe(them, vip4), heard{from: them, asks: vip4}},
		{"gratuitous request", &arp, arp.announce(them, vip4)[0], heard{from: them, claims: vip4, source: vip4}},
		{"gratuitous reply", &arp, arp.announce(them, vip4)[1], heard{from: them, claims: vip4, source: vip4}},
		{"ARP answer", &arp, arp.answer(them, vip4, heard{from: us}), heard{from: them, claims: vip4, source: vip4}},
		{"ARP of another operation", &arp, arpFrame(everybody, arpPacket{3, them, asker, mac{}, vip4}), heard{}},
		{"ARP of nobody", &arp, arpFrame(everybody, arpPacket{arpReply, them, netip.IPv4Unspecified(), mac{}, vip4}), heard{}},
		{"ARP with padding", &arp, append(arp.probe(them, vip4), make([]byte, 18)...), heard{from: them, asks: vip4}},
		{"ARP cut short", &arp, arp.probe(them, vip4)[:41], heard{}},
		{"solicitation", &ndp, solicit(other, vip6), heard{from: them, asks: vip6, source: other}},
		{"solicitation that looks for duplicates", &ndp, ndp.probe(them, vip6), heard{from: them, asks: vip6, source: netip.IPv6Unspecified()}},
		{"advertisement", &ndp, ndp.announce(them, vip6)[0], heard{from: them, claims: vip6, source: vip6}},
		{"advertisement from afar", &ndp, changed(ndp.announce(them, vip6)[0], etherLen+7, 254), heard{}},
		{"advertisement cut short", &ndp, ndp.announce(them, vip6)[0][:60], heard{}},
		{"IPv6 of another kind", &ndp, changed(ndp.announce(them, vip6)[0], etherLen+6, 17), heard{}},
		{"ARP where IPv6 is read", &ndp, arp.probe(them, vip4), heard{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, ok := test.protocol.read(test.frame)
			if ok != (test.want != heard{}) || ok && got != test.want {
				t.Errorf("heard %+v (%v), want %+v", got, ok, test.want)
			}
			if ok && !passes(t, test.protocol, test.frame) {
				t.Error("the filter keeps it out")
			}
		})
	}
}

// solicit asks for an IPv6 address, from one.
func solicit(source, addr netip.Addr) []byte {
	frame := ndp.probe(them, addr)
	bytes := source.As16()
	copy(frame[etherLen+8:], bytes[:])
	return frame
}

func changed(frame []byte, at int, to byte) []byte {
	frame[at] = to
	return frame
}

// passes reports whether a protocol's filter lets a frame through.
func passes(t *testing.T, p *protocol, frame []byte) bool {
	t.Helper()
	vm, err := bpf.NewVM(p.filter)
	if err != nil {
		t.Fatal(err)
	}
	n, err := vm.Run(frame)
	if err != nil {
		t.Fatal(err)
	}
	return n >= min(len(frame), etherLen+arpLen)
}

// The filters keep out what isn't read.
func TestFilter(t *testing.T) {
	advertisement := ndp.announce(them, vip6)[0]
	for _, test := range []struct {
		name     string
		protocol *protocol
		frame    []byte
	}{
		{"UDP", &ndp, changed(append([]byte(nil), advertisement...), etherLen+6, 17)},
		{"echo request", &ndp, changed(append([]byte(nil), advertisement...), etherLen+ip6Len, 128)},
		{"router advertisement", &ndp, changed(append([]byte(nil), advertisement...), etherLen+ip6Len, 134)},
		{"ARP", &ndp, arp.probe(them, vip4)},
		{"IPv6", &arp, advertisement},
	} {
		if passes(t, test.protocol, test.frame) {
			t.Errorf("%s passes %s's filter", test.name, test.protocol.name)
		}
	}
}

// Whatever comes from the network does no harm, and what is understood has an
// address of the right family.
func FuzzRead(f *testing.F) {
	for _, frame := range [][]byte{arp.probe(them, vip4), arp.announce(them, vip4)[0], ndp.probe(them, vip6), ndp.announce(them, vip6)[0], nil} {
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		for _, p := range []*protocol{&arp, &ndp} {
			h, ok := p.read(frame)
			if !ok {
				continue
			}
			for _, addr := range []netip.Addr{h.asks, h.claims} {
				if addr.IsValid() && protocolOf(addr) != p && !addr.Is4In6() {
					t.Errorf("%s heard of %v", p.name, addr)
				}
			}
			if h.asks.IsValid() {
				p.answer(us, h.asks, h)
			}
		}
	})
}
