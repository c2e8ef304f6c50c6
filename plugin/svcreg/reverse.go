package svcreg

import (
	"net/netip"
	"slices"
	"strings"
)

// The zones of names that stand for addresses (RFC 1035 section 3.5, RFC 3596
// section 2.5).
const (
	arpa4 = "in-addr.arpa."
	arpa6 = "ip6.arpa."
)

// reverseName reports whether a name in lower case belongs to a reverse zone.
func reverseName(name string) bool {
	_, _, ok := cutArpa(name)
	return ok
}

// cutArpa returns a reverse name's labels below in-addr.arpa or ip6.arpa, and
// whether it stands for an IPv4 address.
func cutArpa(name string) (labels string, v4, ok bool) {
	labels, v4 = strings.CutSuffix(name, arpa4)
	if !v4 {
		labels, ok = strings.CutSuffix(name, arpa6)
	}
	if labels == "" {
		return "", v4, v4 || ok
	}
	labels, dot := strings.CutSuffix(labels, ".")
	return labels, v4, (v4 || ok) && dot
}

// reverse returns the names of the address that a reverse name stands for:
// that of the service that holds it as a portal IP, else those of the headless
// services' endpoints there, else those of the services that are public there.
func (x *index) reverse(name string) subject {
	labels, v4, _ := cutArpa(name)
	parse := parseReverse6
	if v4 {
		parse = parseReverse4
	}
	addr, whole, ok := parse(labels)
	switch {
	case !ok:
		return nil
	case !whole:
		return partial
	}
	names := x.portalName(addr)
	if names == nil {
		names = x.endpointNames(addr)
	}
	if names == nil {
		names = x.publicNames(addr)
	}
	if names == nil {
		return nil
	}
	return &names
}

// portalName returns the name of the service that holds a portal IP, if it has
// one.
func (x *index) portalName(addr netip.Addr) pointers {
	k, ok := x.snapshot.PortalIPHolder(addr)
	if !ok {
		return nil
	}
	if _, ok := x.services.Get(k); !ok {
		return nil
	}
	return short(canonical(k, x.zones.primary))
}

// endpointNames returns the names that the endpoints at an address have in
// headless services, each once.
func (x *index) endpointNames(addr netip.Addr) pointers {
	var names pointers
	keys, _ := x.endpoints.Get(addr)
	for _, k := range keys {
		s, _ := x.services.Get(k)
		for i := range s.hosts {
			if h := &s.hosts[i]; slices.Contains(h.addrs, addr) {
				names = append(names, short(h.label+"."+canonical(k, x.zones.primary))...)
			}
		}
	}
	return names
}

// publicNames returns the names of the services that are reached at an address
// from outside: several may share it, on different ports.
func (x *index) publicNames(addr netip.Addr) pointers {
	var names pointers
	keys, _ := x.public.addresses.Get(addr)
	for _, k := range keys {
		names = append(names, short(join(k.Name+"."+k.Namespace, x.zones.public))...)
	}
	return names
}

// short returns names but for one that is too long.
func short(name string) pointers {
	if len(name) > maxName {
		return nil
	}
	return pointers{name}
}

// parseReverse4 reads "11.0.0.10" as 10.0.0.11. Where octets are missing at
// the front the address isn't whole.
func parseReverse4(labels string) (addr netip.Addr, whole, ok bool) {
	var octets [4]byte
	n := 4
	for labels != "" {
		i := strings.LastIndexByte(labels, '.')
		octet, ok := parseOctet(labels[i+1:])
		if !ok || n == 0 {
			return addr, false, false
		}
		n--
		octets[3-n] = octet
		labels = labels[:max(i, 0)]
	}
	return netip.AddrFrom4(octets), n == 0, true
}

// parseOctet reads a number from 0 to 255 without leading zeros.
func parseOctet(s string) (byte, bool) {
	if s == "" || len(s) > 3 || s[0] == '0' && len(s) > 1 {
		return 0, false
	}
	n := 0
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int(s[i]-'0')
	}
	return byte(n), n <= 255
}

// parseReverse6 reads 32 nibbles, the last one first. Where nibbles are
// missing at the front the address isn't whole.
func parseReverse6(labels string) (addr netip.Addr, whole, ok bool) {
	var bytes [16]byte
	n := (len(labels) + 1) / 2
	if n > 32 || labels != "" && len(labels)%2 == 0 {
		return addr, false, false
	}
	for i := range n {
		at := len(labels) - 1 - 2*i
		nibble := strings.IndexByte("0123456789abcdef", labels[at])
		if nibble < 0 || at > 0 && labels[at-1] != '.' {
			return addr, false, false
		}
		bytes[i/2] |= byte(nibble) << (4 * (1 - i%2))
	}
	return netip.AddrFrom16(bytes), n == 32, true
}
