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

// follow answers with a node's CNAME record, if it has one, and with what the
// server says about its target. If nobody knows the target, the answer's rcode
// says so (RFC 6604 section 3).
func (h *handler) follow(ctx context.Context, w dns.ResponseWriter, r, m *dns.Msg, n *node) {
	cname := n.alias()
	if cname == nil {
		return
	}
	m.Answer = renamed(n.records, r.Question[0].Name)
	depth, _ := ctx.Value(dnsserver.LoopKey{}).(int)
	if depth >= maxAliases {
		m.Rcode = dns.RcodeServerFailure
		return
	}
	ctx = context.WithValue(ctx, dnsserver.LoopKey{}, depth+1)
	state := request.Request{W: w, Req: r}
	found, err := h.upstream.Lookup(ctx, state, cname.Target, r.Question[0].Qtype)
	if err != nil || found == nil {
		return // whoever asked can go on from the CNAME record
	}
	m.Answer = append(m.Answer, found.Answer...)
	m.Truncated = found.Truncated
	if found.Rcode == dns.RcodeNameError || found.Rcode == dns.RcodeServerFailure {
		m.Rcode = found.Rcode
	}
	if len(found.Answer) == 0 {
		m.Ns = found.Ns
	}
}
