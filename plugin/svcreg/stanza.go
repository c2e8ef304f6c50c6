package svcreg

import (
	"context"
	"net/netip"
	"sync/atomic"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/fall"
	upstreams "github.com/coredns/coredns/plugin/pkg/upstream"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
)

// stanza answers for some zones from one registry.
type stanza struct {
	*indexer
	fall     fall.F
	upstream upstream
	tally    *tally

	// index is nil until the registry is known, from etcd or from disk.
	index atomic.Pointer[index]
}

// upstream looks a name up as a client of this server would.
type upstream interface {
	Lookup(ctx context.Context, state request.Request, name string, qtype uint16) (*dns.Msg, error)
}

// newStanza returns a stanza that knows no registry yet, of a server at some
// addresses.
func newStanza(o *options, servers []netip.Addr) *stanza {
	return &stanza{indexer: newIndexer(o, servers), fall: o.fall, upstream: upstreams.New(), tally: newTally()}
}

// update makes the index of the next snapshot and swaps it in.
func (s *stanza) update(snapshot *registry.Snapshot, changes *registry.Changes) {
	s.index.Store(s.next(s.index.Load(), snapshot, changes))
}

// serve answers a question about a name in lower case, of which below are the
// labels below the zone; unless it knows no such name and somebody else may.
func (s *stanza) serve(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, zone *zone, name, below string) (answered bool, rcode int, err error) {
	q, x := &r.Question[0], s.index.Load()
	switch {
	case x == nil:
		s.tally.count(failed)
		return true, dns.RcodeServerFailure, nil // nobody can say yet what exists
	case r.Opcode != dns.OpcodeQuery: // a NOTIFY: the zones have no other primary
		s.tally.count(refused)
		return true, dns.RcodeNotImplemented, nil
	case q.Qclass != dns.ClassINET, q.Qtype == dns.TypeAXFR, q.Qtype == dns.TypeIXFR:
		s.tally.count(refused)
		return true, dns.RcodeRefused, nil
	}
	n := x.find(zone, name, below)
	if x.open(n) {
		if own := x.bare(zone, below, clientAddr(w)); own != nil {
			n = own
		}
	}
	if unsure(n, name) && s.fall.Through(name) {
		s.tally.count(passedOn)
		return false, 0, nil
	}
	rcode, err = s.write(ctx, w, r, n, x.origins[zone.number].soa)
	return true, rcode, err
}

// unsure reports whether somebody else may know more about a name: it doesn't
// exist here, or it is the beginning of all names or of all addresses.
func unsure(n subject, name string) bool {
	return n == nil || n == partial || name == "."
}

// write sends what stands at the name, or that it doesn't exist or holds
// nothing of that type.
func (s *stanza) write(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, n subject, soa []dns.RR) (int, error) {
	m := replyTo(r)
	if n == nil {
		m.Rcode = dns.RcodeNameError
	} else {
		q := &r.Question[0]
		m.Answer, m.Extra = n.records(q.Name, q.Qtype, s.ttl)
	}
	switch n := n.(type) {
	case *host:
		if len(n.aliases) > 0 {
			s.resolve(ctx, w, r, m, n)
		}
	case *zonal:
		s.join(ctx, w, r, m, n.host())
	}
	if len(m.Answer) == 0 && m.Rcode != dns.RcodeServerFailure {
		m.Ns = soa[:len(soa):len(soa)]
	}
	s.tally.count(outcomeOf(m))
	if err := w.WriteMsg(m); err != nil {
		return dns.RcodeServerFailure, plugin.Error(pluginName, err)
	}
	return dns.RcodeSuccess, nil
}

// replyTo returns an authoritative answer to a query that has nothing in it
// yet. It is SetReply in one piece of memory.
func replyTo(r *dns.Msg) *dns.Msg {
	m := &struct {
		dns.Msg
		question [1]dns.Question
	}{question: [1]dns.Question{r.Question[0]}}
	m.Id, m.Response, m.Authoritative = r.Id, true, true
	m.RecursionDesired, m.CheckingDisabled = r.RecursionDesired, r.CheckingDisabled
	m.Question = m.question[:]
	return &m.Msg
}
