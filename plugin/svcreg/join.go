package svcreg

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

// maxLookups is how many names may be looked up for one question, so that
// services whose endpoints are each other's names end.
const maxLookups = 32

type lookupsKey struct{}

// join puts the addresses that a host's names lead to beside those that it has
// itself, under its own name. A name that leads nowhere is left out; nothing
// can be said if no address is known and not every name could be looked up.
func (s *stanza) join(ctx context.Context, w dns.ResponseWriter, r, m *dns.Msg, h *host) {
	qtype := r.Question[0].Qtype
	switch {
	case len(h.aliases) == 0:
		return
	case qtype == dns.TypeANY && len(m.Answer) == 0:
		qtype = dns.TypeA
	case qtype != dns.TypeA && qtype != dns.TypeAAAA:
		return
	}
	all, ttl, unknown := host{addrs: h.addrs}, s.ttl, false
	for _, found := range s.lookUp(ctx, request.Request{W: w, Req: r}, h.aliases, qtype) {
		if found == nil || found.Rcode != dns.RcodeSuccess && found.Rcode != dns.RcodeNameError {
			unknown = true
			continue
		}
		addrs, least := addressesIn(found.Answer)
		if len(addrs) > 0 {
			all.addrs, ttl = slices.Concat(all.addrs, addrs), min(ttl, least)
		}
		m.Truncated = m.Truncated || found.Truncated
	}
	all.addrs = byFamily(all.addrs)
	m.Answer, _ = all.records(r.Question[0].Name, qtype, ttl)
	if len(m.Answer) == 0 && unknown {
		m.Rcode = dns.RcodeServerFailure
	}
}

// lookUp looks names up at the same time, and returns their answers in the
// order of the names: nil where there is none.
func (s *stanza) lookUp(ctx context.Context, state request.Request, names []string, qtype uint16) []*dns.Msg {
	answers := make([]*dns.Msg, len(names))
	ctx, ok := deeper(ctx)
	if !ok {
		return answers
	}
	left, ok := ctx.Value(lookupsKey{}).(*atomic.Int32)
	if !ok {
		left = new(atomic.Int32)
		left.Store(maxLookups)
		ctx = context.WithValue(ctx, lookupsKey{}, left)
	}
	var wg sync.WaitGroup
	for i, name := range names {
		if left.Add(-1) < 0 {
			break
		}
		wg.Go(func() {
			if m, err := s.upstream.Lookup(ctx, state, name, qtype); err == nil {
				answers[i] = m
			}
		})
	}
	wg.Wait()
	return answers
}

// addressesIn returns the addresses in an answer, and how long all of it holds
// in seconds.
func addressesIn(records []dns.RR) (addrs []netip.Addr, ttl uint32) {
	ttl = ^uint32(0)
	for _, r := range records {
		var ip []byte
		switch r := r.(type) {
		case *dns.A:
			ip = r.A
		case *dns.AAAA:
			ip = r.AAAA
		case *dns.CNAME:
		default:
			continue
		}
		ttl = min(ttl, r.Header().Ttl)
		if addr, ok := netip.AddrFromSlice(ip); ok {
			addrs = append(addrs, addr.Unmap())
		}
	}
	return addrs, ttl
}
