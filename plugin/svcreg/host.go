package svcreg

import (
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// host is a name with addresses: a service, or an endpoint of a headless one.
type host struct {
	// label is the endpoint's, in front of the service's name; empty for the
	// service itself.
	label string
	// addrs are its addresses, those of IPv4 first.
	addrs []netip.Addr
	// aliases are the names that it stands for as well, sorted. A single one
	// without addresses is a CNAME record; that can't stand beside others (RFC
	// 1034 section 3.6.2), so that several are looked up.
	aliases []string
}

func (h *host) records(owner string, qtype uint16, ttl uint32) (answer, extra []dns.RR) {
	if alias := h.alias(); alias != "" {
		return []dns.RR{&dns.CNAME{Hdr: header(owner, dns.TypeCNAME, ttl), Target: alias}}, nil
	}
	v4 := h.v4()
	addrs := h.addrs[:v4]
	switch {
	case qtype == dns.TypeA, qtype == dns.TypeANY && v4 > 0:
	case qtype == dns.TypeAAAA, qtype == dns.TypeANY:
		v4, addrs = 0, h.addrs[v4:]
	default:
		return nil, nil
	}
	if len(addrs) == 0 {
		return nil, nil
	}
	room := newRoom(v4, len(addrs)-v4)
	return room.append(make([]dns.RR, 0, len(addrs)), owner, ttl, addrs), nil
}

// alias returns the one name that a host stands for; "" if it has addresses, or
// several names.
func (h *host) alias() string {
	if len(h.aliases) != 1 || len(h.addrs) > 0 {
		return ""
	}
	return h.aliases[0]
}

// v4 returns how many of the addresses are of IPv4.
func (h *host) v4() int {
	for i := range h.addrs {
		if !h.addrs[i].Is4() {
			return i
		}
	}
	return len(h.addrs)
}

// families returns how many of the addresses are of IPv4 and of IPv6.
func (h *host) families() (v4, v6 int) {
	v4 = h.v4()
	return v4, len(h.addrs) - v4
}

// byFamily returns addresses as DNS has them, each once, those of IPv4 first.
func byFamily(addrs []netip.Addr) []netip.Addr {
	var all, v6 []netip.Addr
	seen := make(map[netip.Addr]bool, len(addrs))
	for _, addr := range addrs {
		addr = addr.Unmap().WithZone("")
		switch {
		case seen[addr]:
		case addr.Is4():
			all = append(all, addr)
		default:
			v6 = append(v6, addr)
		}
		seen[addr] = true
	}
	return slices.Clip(append(all, v6...))
}

// room is where the address records of one answer are made, with what they
// point to: those of a family in one piece of memory.
type room struct {
	v4 []aRecord
	v6 []aaaaRecord
}

type (
	aRecord struct {
		dns.A
		ip [4]byte
	}
	aaaaRecord struct {
		dns.AAAA
		ip [16]byte
	}
)

// newRoom returns room for the records of so many addresses.
func newRoom(v4, v6 int) (m room) {
	if v4 > 0 {
		m.v4 = make([]aRecord, v4)
	}
	if v6 > 0 {
		m.v6 = make([]aaaaRecord, v6)
	}
	return m
}

// append appends the records of addresses, for which there must be room.
func (m *room) append(to []dns.RR, owner string, ttl uint32, addrs []netip.Addr) []dns.RR {
	for i := range addrs {
		if addrs[i].Is4() {
			v := &m.v4[0]
			m.v4 = m.v4[1:]
			v.ip = addrs[i].As4()
			v.Hdr, v.A.A = header(owner, dns.TypeA, ttl), v.ip[:]
			to = append(to, &v.A)
		} else {
			v := &m.v6[0]
			m.v6 = m.v6[1:]
			v.ip = addrs[i].As16()
			v.Hdr, v.AAAA.AAAA = header(owner, dns.TypeAAAA, ttl), v.ip[:]
			to = append(to, &v.AAAA)
		}
	}
	return to
}
