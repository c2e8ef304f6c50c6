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
	switch {
	case qtype == dns.TypeA, qtype == dns.TypeANY && v4 > 0:
		return appendA(nil, owner, ttl, h.addrs[:v4]), nil
	case qtype == dns.TypeAAAA, qtype == dns.TypeANY:
		return appendAAAA(nil, owner, ttl, h.addrs[v4:]), nil
	}
	return nil, nil
}

// alias returns the one name that a host stands for; "" if it has addresses, or
// several names.
func (h *host) alias() string {
	if len(h.aliases) != 1 || len(h.addrs) > 0 {
		return ""
	}
	return h.aliases[0]
}

// glue appends all of a host's addresses under its name.
func (h *host) glue(to []dns.RR, name string, ttl uint32) []dns.RR {
	v4 := h.v4()
	return appendAAAA(appendA(to, name, ttl, h.addrs[:v4]), name, ttl, h.addrs[v4:])
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

// aRecord and aaaaRecord are records with room for what they point to, so that
// all of an answer's stand in one piece of memory.
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

func appendA(to []dns.RR, owner string, ttl uint32, addrs []netip.Addr) []dns.RR {
	if len(addrs) == 0 {
		return to
	}
	to = slices.Grow(to, len(addrs))
	values := make([]aRecord, len(addrs))
	for i := range values {
		v := &values[i]
		v.ip = addrs[i].As4()
		v.Hdr, v.A.A = header(owner, dns.TypeA, ttl), v.ip[:]
		to = append(to, &v.A)
	}
	return to
}

func appendAAAA(to []dns.RR, owner string, ttl uint32, addrs []netip.Addr) []dns.RR {
	if len(addrs) == 0 {
		return to
	}
	to = slices.Grow(to, len(addrs))
	values := make([]aaaaRecord, len(addrs))
	for i := range values {
		v := &values[i]
		v.ip = addrs[i].As16()
		v.Hdr, v.AAAA.AAAA = header(owner, dns.TypeAAAA, ttl), v.ip[:]
		to = append(to, &v.AAAA)
	}
	return to
}
