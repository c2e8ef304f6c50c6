package svcreg

import (
	"slices"

	"github.com/miekg/dns"
)

// subject is what stands at a name.
type subject interface {
	// records returns the records of a type under the name as the client
	// wrote it, and those that go into the additional section with them. Of
	// type ANY it returns those of one type, as RFC 8482 section 4.1 has it.
	// The slices are the caller's own; what is in them may be shared.
	records(owner string, qtype uint16, ttl uint32) (answer, extra []dns.RR)
}

// empty is a name without records.
type empty struct{ _ byte }

// The two sorts of them.
var (
	// hollow is a name that exists because other names exist below it.
	hollow subject = &empty{}
	// partial is a reverse name that is no whole address yet. Something may
	// exist below it.
	partial subject = &empty{}
)

func (*empty) records(string, uint16, uint32) (answer, extra []dns.RR) { return nil, nil }

// fixed is a name whose records are always the same. They are shared by all
// answers: nothing may ever write to them.
type fixed struct {
	all []dns.RR
	// extra goes with NS records.
	extra []dns.RR
}

func (f *fixed) records(owner string, qtype uint16, _ uint32) (answer, extra []dns.RR) {
	for _, r := range f.all {
		if qtype == dns.TypeANY {
			qtype = r.Header().Rrtype
		}
		if r.Header().Rrtype == qtype {
			answer = append(answer, owned(r, owner))
		}
	}
	if qtype == dns.TypeNS {
		extra = slices.Clone(f.extra)
	}
	return slices.Clip(answer), extra
}

// owned returns a record under the name as the client wrote it.
func owned(r dns.RR, owner string) dns.RR {
	if r.Header().Name == owner {
		return r
	}
	r = dns.Copy(r)
	r.Header().Name = owner
	return r
}

// pointers are the names that an address has.
type pointers []string

func (p *pointers) records(owner string, qtype uint16, ttl uint32) (answer, extra []dns.RR) {
	if qtype != dns.TypePTR && qtype != dns.TypeANY {
		return nil, nil
	}
	values, answer := make([]dns.PTR, len(*p)), make([]dns.RR, len(*p))
	for i, name := range *p {
		values[i] = dns.PTR{Hdr: header(owner, dns.TypePTR, ttl), Ptr: name}
		answer[i] = &values[i]
	}
	return answer, nil
}

func header(owner string, rrtype uint16, ttl uint32) dns.RR_Header {
	return dns.RR_Header{Name: owner, Rrtype: rrtype, Class: dns.ClassINET, Ttl: ttl}
}
