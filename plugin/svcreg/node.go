package svcreg

import (
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// node is what stands at one name. It is made once, when its service changes,
// and all answers share its records: nothing may ever write to them.
type node struct {
	// owner is the name, in lower case and fully qualified.
	owner string
	// records are grouped by type, in the order of the types' numbers.
	records []dns.RR
	// extra goes into the additional section beside SRV and NS records: the
	// addresses of their targets.
	extra []dns.RR
}

// The two nodes without records and without a name of their own.
var (
	// hollow is a name that exists because other names exist below it.
	hollow = &node{}
	// partial is a reverse name that is no whole address yet. Something may
	// exist below it.
	partial = &node{}
)

// answer returns the records of a type, and what goes with them. Of type ANY
// it returns those of the node's first type only, as RFC 8482 section 4.1 has
// it.
func (n *node) answer(qtype uint16) (records, extra []dns.RR) {
	records = n.records
	if len(records) == 0 {
		return nil, nil
	}
	first, last := records[0].Header().Rrtype, records[len(records)-1].Header().Rrtype
	if qtype == dns.TypeANY {
		qtype = first
	}
	if first != last {
		records = group(records, qtype)
	} else if first != qtype {
		return nil, nil
	}
	if qtype == dns.TypeSRV || qtype == dns.TypeNS {
		extra = n.extra
	}
	return slices.Clip(records), slices.Clip(extra)
}

// alias returns the CNAME record of a node that has one.
func (n *node) alias() *dns.CNAME {
	if len(n.records) == 1 {
		cname, _ := n.records[0].(*dns.CNAME)
		return cname
	}
	return nil
}

// group returns the records of one type.
func group(records []dns.RR, qtype uint16) []dns.RR {
	byType := func(r dns.RR, t uint16) int { return int(r.Header().Rrtype) - int(t) }
	from, _ := slices.BinarySearchFunc(records, qtype, byType)
	to, _ := slices.BinarySearchFunc(records, qtype+1, byType)
	return records[from:to]
}

// addresses returns the A and AAAA records of a name, the A records first.
func addresses(owner string, ttl uint32, addrs []netip.Addr) []dns.RR {
	v4 := 0
	for _, addr := range addrs {
		if addr.Is4() {
			v4++
		}
	}
	var (
		as      = make([]dns.A, 0, v4)
		aaaas   = make([]dns.AAAA, 0, len(addrs)-v4)
		bytes   = make([]byte, 0, 4*v4+16*(len(addrs)-v4))
		records = make([]dns.RR, len(addrs))
	)
	for _, addr := range addrs {
		start := len(bytes)
		bytes, _ = addr.AppendBinary(bytes)
		ip := bytes[start:len(bytes):len(bytes)]
		if addr.Is4() {
			as = append(as, dns.A{Hdr: header(owner, dns.TypeA, ttl), A: ip})
			records[len(as)-1] = &as[len(as)-1]
		} else {
			aaaas = append(aaaas, dns.AAAA{Hdr: header(owner, dns.TypeAAAA, ttl), AAAA: ip})
			records[v4+len(aaaas)-1] = &aaaas[len(aaaas)-1]
		}
	}
	return records
}

func header(owner string, rrtype uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: owner, Rrtype: rrtype, Class: dns.ClassINET, Ttl: ttl}
}

// renamed returns copies of records of one type that have another owner: the
// name as the client wrote it, or a service's short name. The copies are the
// caller's own but for what the records point to.
func renamed(records []dns.RR, owner string) []dns.RR {
	if len(records) == 0 {
		return nil
	}
	switch records[0].(type) {
	case *dns.A:
		return copies[dns.A](records, owner)
	case *dns.AAAA:
		return copies[dns.AAAA](records, owner)
	case *dns.SRV:
		return copies[dns.SRV](records, owner)
	}
	out := make([]dns.RR, len(records))
	for i, r := range records {
		out[i] = dns.Copy(r)
		out[i].Header().Name = owner
	}
	return out
}

// copies copies records of type T into one piece of memory.
func copies[T any, P interface {
	*T
	dns.RR
}](records []dns.RR, owner string) []dns.RR {
	values, out := make([]T, len(records)), make([]dns.RR, len(records))
	for i, r := range records {
		values[i] = *r.(P)
		p := P(&values[i])
		p.Header().Name = owner
		out[i] = p
	}
	return out
}
