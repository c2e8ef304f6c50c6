package conntrack

import (
	"encoding/binary"
	"net/netip"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// What package nl lacks of the kernel's messages: the attribute that says by
// which fields of two tuples flows are chosen
// (include/uapi/linux/netfilter/nfnetlink_conntrack.h), and the fields
// (net/netfilter/nf_internals.h).
const (
	ctaFilter           = 25
	ctaFilterOrigFlags  = 1
	ctaFilterReplyFlags = 2

	fieldSource          = 1 << 0
	fieldDestination     = 1 << 1
	fieldProtocol        = 1 << 3
	fieldSourcePort      = 1 << 4
	fieldDestinationPort = 1 << 5
)

// onlyUDP returns the attributes that choose UDP flows.
func onlyUDP() []*nl.RtAttr {
	tuple := nested(nl.CTA_TUPLE_ORIG)
	protocolUDP(tuple)
	return []*nl.RtAttr{tuple, fields(fieldProtocol, 0)}
}

// attributes returns those that choose just these flows, which are of IPv4.
func (f Flow) attributes() []*nl.RtAttr {
	forth, back := nested(nl.CTA_TUPLE_ORIG), nested(nl.CTA_TUPLE_REPLY)
	inside(forth, nl.CTA_TUPLE_IP).AddRtAttr(nl.CTA_IP_V4_DST, f.To.Addr().AsSlice())
	inside(back, nl.CTA_TUPLE_IP).AddRtAttr(nl.CTA_IP_V4_SRC, f.Server.Addr().AsSlice())
	protocolUDP(forth).AddRtAttr(nl.CTA_PROTO_DST_PORT, nl.BEUint16Attr(f.To.Port()))
	protocolUDP(back).AddRtAttr(nl.CTA_PROTO_SRC_PORT, nl.BEUint16Attr(f.Server.Port()))
	return []*nl.RtAttr{forth, back, fields(
		fieldDestination|fieldProtocol|fieldDestinationPort,
		fieldSource|fieldProtocol|fieldSourcePort)}
}

// fields says which fields of the tuples of either direction count.
func fields(forth, back uint32) *nl.RtAttr {
	filter := nested(ctaFilter)
	filter.AddRtAttr(ctaFilterOrigFlags, nl.Uint32Attr(forth))
	if back != 0 {
		filter.AddRtAttr(ctaFilterReplyFlags, nl.Uint32Attr(back))
	}
	return filter
}

func protocolUDP(tuple *nl.RtAttr) *nl.RtAttr {
	p := inside(tuple, nl.CTA_TUPLE_PROTO)
	p.AddRtAttr(nl.CTA_PROTO_NUM, []byte{unix.IPPROTO_UDP})
	return p
}

func nested(kind int) *nl.RtAttr { return nl.NewRtAttr(kind|unix.NLA_F_NESTED, nil) }

func inside(outer *nl.RtAttr, kind int) *nl.RtAttr {
	return outer.AddRtAttr(kind|unix.NLA_F_NESTED, nil)
}

// parse reads a flow and its protocol from the kernel's attributes.
func parse(b []byte) (f Flow, protocol byte, err error) {
	err = each(b, func(kind uint16, value []byte) (err error) {
		switch kind {
		case nl.CTA_TUPLE_ORIG:
			_, f.To, protocol, err = parseTuple(value)
		case nl.CTA_TUPLE_REPLY:
			f.Server, _, _, err = parseTuple(value)
		}
		return err
	})
	return f, protocol, err
}

// parseTuple reads one direction of a flow.
func parseTuple(b []byte) (from, to netip.AddrPort, protocol byte, err error) {
	var source, destination netip.Addr
	var ports [2]uint16
	err = each(b, func(part uint16, value []byte) error {
		return each(value, func(kind uint16, value []byte) error {
			switch {
			case part == nl.CTA_TUPLE_IP && (kind == nl.CTA_IP_V4_SRC || kind == nl.CTA_IP_V6_SRC):
				source, _ = netip.AddrFromSlice(value)
			case part == nl.CTA_TUPLE_IP && (kind == nl.CTA_IP_V4_DST || kind == nl.CTA_IP_V6_DST):
				destination, _ = netip.AddrFromSlice(value)
			case part == nl.CTA_TUPLE_PROTO && kind == nl.CTA_PROTO_NUM && len(value) == 1:
				protocol = value[0]
			case part == nl.CTA_TUPLE_PROTO && kind == nl.CTA_PROTO_SRC_PORT && len(value) == 2:
				ports[0] = binary.BigEndian.Uint16(value)
			case part == nl.CTA_TUPLE_PROTO && kind == nl.CTA_PROTO_DST_PORT && len(value) == 2:
				ports[1] = binary.BigEndian.Uint16(value)
			}
			return nil
		})
	})
	return netip.AddrPortFrom(source, ports[0]), netip.AddrPortFrom(destination, ports[1]), protocol, err
}

// each calls a function with each of the attributes, until an error.
func each(b []byte, f func(kind uint16, value []byte) error) error {
	for len(b) >= unix.NLA_HDRLEN {
		n := int(binary.NativeEndian.Uint16(b))
		if n < unix.NLA_HDRLEN || n > len(b) {
			return unix.EBADMSG
		}
		kind := binary.NativeEndian.Uint16(b[2:]) &^ (unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER)
		if err := f(kind, b[unix.NLA_HDRLEN:n]); err != nil {
			return err
		}
		b = b[min((n+unix.NLA_ALIGNTO-1)&^(unix.NLA_ALIGNTO-1), len(b)):]
	}
	return nil
}
