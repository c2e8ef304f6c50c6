package svcreg

import (
	"context"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
)

// maxAliases is how many CNAME records may lead to each other, as in CoreDNS's
// file plugin.
const maxAliases = 8

// resolve adds to an answer what the names lead to that a host stands for.
func (s *stanza) resolve(ctx context.Context, w dns.ResponseWriter, r, m *dns.Msg, h *host) {
	if alias := h.alias(); alias != "" {
		s.follow(ctx, w, r, m, alias)
	} else {
		s.join(ctx, w, r, m, h)
	}
}

// deeper returns a context for a lookup that this one depends on, unless there
// are too many of them on the way here already: they are a loop.
func deeper(ctx context.Context) (context.Context, bool) {
	depth, _ := ctx.Value(dnsserver.LoopKey{}).(int)
	return context.WithValue(ctx, dnsserver.LoopKey{}, depth+1), depth < maxAliases
}

// follow adds to an answer that is an alias what the server says about its
// target, unless the alias itself was asked for. If nobody knows the target,
// the answer's rcode says so (RFC 6604 section 3).
func (s *stanza) follow(ctx context.Context, w dns.ResponseWriter, r, m *dns.Msg, target string) {
	qtype := r.Question[0].Qtype
	if qtype == dns.TypeCNAME || qtype == dns.TypeANY {
		return
	}
	ctx, ok := deeper(ctx)
	if !ok {
		m.Rcode = dns.RcodeServerFailure
		return
	}
	found, err := s.upstream.Lookup(ctx, request.Request{W: w, Req: r}, target, qtype)
	if err != nil || found == nil {
		return // whoever asked can go on from the CNAME record
	}
	switch found.Rcode {
	case dns.RcodeServerFailure:
		m.Rcode = found.Rcode
		return
	case dns.RcodeNameError:
		m.Rcode = found.Rcode
	}
	m.Answer = append(m.Answer, found.Answer...)
	m.Truncated = found.Truncated
	if len(found.Answer) == 0 {
		m.Ns = found.Ns
	}
}
