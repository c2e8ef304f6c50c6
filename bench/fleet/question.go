package fleet

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// Kind is a kind of question, named by its answer.
type Kind string

// The kinds of questions.
const (
	A           Kind = "A"
	AAAA        Kind = "AAAA"
	SRV         Kind = "SRV"
	HeadlessA   Kind = "headless A"
	HeadlessSRV Kind = "headless SRV"
	NXDOMAIN    Kind = "NXDOMAIN"
	NODATA      Kind = "NODATA"
	PTR         Kind = "PTR"
)

// Kinds are all kinds, in the order of tables.
var Kinds = []Kind{A, AAAA, SRV, HeadlessA, HeadlessSRV, NXDOMAIN, NODATA, PTR}

// Question is a question with its right answer.
type Question struct {
	Name  string
	Type  uint16
	Rcode int
	// Answers are what the answer's records say, in no order: an address, a
	// name, or a port and a name.
	Answers []string
	// Glue is how many addresses come with the answer.
	Glue int
}

// Questions returns the fleet's questions of a kind: one for every service
// that it can be asked of.
func (f Fleet) Questions(k Kind) []Question {
	var questions []Question
	for s := range f.All() {
		if q, ok := s.Question(k); ok {
			questions = append(questions, q)
		}
	}
	return questions
}

// Question returns a service's question of a kind, if it has one.
func (s Service) Question(k Kind) (Question, bool) {
	dual := len(s.Portals) > 1
	switch k {
	case A:
		return Question{Name: s.DNSName(), Type: dns.TypeA, Answers: texts(s.Portals[:min(1, len(s.Portals))])}, !s.Headless
	case AAAA:
		return Question{Name: s.DNSName(), Type: dns.TypeAAAA, Answers: texts(s.Portals[min(1, len(s.Portals)):])}, dual
	case SRV:
		return Question{Name: s.srvName(), Type: dns.TypeSRV, Answers: []string{target(s.DNSName())}, Glue: 1}, !s.Headless && !dual
	case HeadlessA:
		return Question{Name: s.DNSName(), Type: dns.TypeA, Answers: texts(s.Endpoints)}, s.Headless
	case HeadlessSRV:
		return Question{Name: s.srvName(), Type: dns.TypeSRV, Answers: s.targets(), Glue: len(s.Endpoints)}, s.Headless
	case NXDOMAIN:
		return Question{Name: "no-" + s.DNSName(), Type: dns.TypeA, Rcode: dns.RcodeNameError}, true
	case NODATA:
		return Question{Name: s.DNSName(), Type: dns.TypeAAAA}, !s.Headless && !dual
	case PTR:
		return s.reverse(), !s.Headless
	}
	return Question{}, false
}

func (s Service) reverse() Question {
	if s.Headless {
		return Question{}
	}
	name, _ := dns.ReverseAddr(s.Portals[0].String())
	return Question{Name: name, Type: dns.TypePTR, Answers: []string{s.DNSName()}}
}

func (s Service) srvName() string { return "_" + PortName + "._tcp." + s.DNSName() }

func (s Service) targets() []string {
	var list []string
	for _, e := range s.Endpoints {
		list = append(list, target(s.endpointName(e)))
	}
	return list
}

func target(name string) string { return fmt.Sprintf("%d %s", Port, name) }

func texts(addresses []netip.Addr) []string {
	list := make([]string, len(addresses))
	for i, a := range addresses {
		list[i] = a.String()
	}
	return list
}

// Check returns an error unless a reply is the question's right answer.
func (q Question) Check(reply *dns.Msg) error {
	got := make([]string, len(reply.Answer))
	for i, r := range reply.Answer {
		got[i] = said(r)
	}
	slices.Sort(got)
	want := slices.Sorted(slices.Values(q.Answers))
	switch {
	case reply.Truncated:
		return fmt.Errorf("%s %s: the answer is truncated", q.Name, dns.TypeToString[q.Type])
	case reply.Rcode != q.Rcode:
		return fmt.Errorf("%s %s: got %s, want %s", q.Name, dns.TypeToString[q.Type], dns.RcodeToString[reply.Rcode], dns.RcodeToString[q.Rcode])
	case !slices.Equal(got, want):
		return fmt.Errorf("%s %s: got %q, want %q", q.Name, dns.TypeToString[q.Type], got, want)
	case len(reply.Extra) != q.Glue:
		return fmt.Errorf("%s %s: got %d additional records, want %d", q.Name, dns.TypeToString[q.Type], len(reply.Extra), q.Glue)
	}
	return nil
}

// said returns what a record says.
func said(r dns.RR) string {
	switch r := r.(type) {
	case *dns.A:
		return r.A.String()
	case *dns.AAAA:
		return r.AAAA.String()
	case *dns.PTR:
		return r.Ptr
	case *dns.SRV:
		return fmt.Sprintf("%d %s", r.Port, r.Target)
	}
	return r.String()
}
