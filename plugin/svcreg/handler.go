// Package svcreg is the CoreDNS plugin that answers from a service registry
// in etcd.
//
// An etcd watch keeps an immutable index of ready-made records current; a
// query loads a pointer, looks its name up and sends records that all answers
// share. It takes no lock and asks nobody. The names are those of Kubernetes'
// DNS-Based Service Discovery 1.1.0, and <service>.<namespace>.<zone> beside
// them.
package svcreg

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/fall"
	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/coredns/coredns/request"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
)

const pluginName = "svcreg"

var log = clog.NewWithPlugin(pluginName)

// handler answers the queries of one server block.
type handler struct {
	next     plugin.Handler
	zones    zones
	fall     fall.F
	indexer  indexer
	upstream upstream

	// index is nil until the registry is known, from etcd or from disk.
	index atomic.Pointer[index]
}

// upstream looks a name up as a client of this server would.
type upstream interface {
	Lookup(ctx context.Context, state request.Request, name string, qtype uint16) (*dns.Msg, error)
}

// Name implements plugin.Handler.
func (*handler) Name() string { return pluginName }

// Ready implements ready.Readiness: whether there is anything to answer from.
// Once there is, etcd may go away.
func (h *handler) Ready() bool { return h.index.Load() != nil }

// update makes the index of the next snapshot and swaps it in.
func (h *handler) update(s *registry.Snapshot, changes *registry.Changes) {
	h.index.Store(h.indexer.next(h.index.Load(), s, changes))
}

// ServeDNS implements plugin.Handler.
func (h *handler) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	if len(r.Question) == 0 {
		return dns.RcodeFormatError, nil
	}
	q := &r.Question[0]
	name := strings.ToLower(q.Name)
	zone, below := h.zones.match(name)
	if zone == nil {
		return plugin.NextOrFailure(pluginName, h.next, ctx, w, r)
	}
	x := h.index.Load()
	switch {
	case x == nil:
		return dns.RcodeServerFailure, nil // nobody can say yet what exists
	case q.Qclass != dns.ClassINET, q.Qtype == dns.TypeAXFR, q.Qtype == dns.TypeIXFR:
		return dns.RcodeRefused, nil
	}
	n := x.find(zone, name, below)
	if h.unsure(n, name) && h.fall.Through(name) {
		return plugin.NextOrFailure(pluginName, h.next, ctx, w, r)
	}
	return h.write(ctx, w, r, n, x.zones[zone.number].soa)
}

// unsure reports whether somebody else may know more about a name: it doesn't
// exist here, or it is the beginning of all names or of all addresses.
func (h *handler) unsure(n *node, name string) bool {
	return n == nil || n == partial || name == "."
}

// write sends what a node holds, or that it doesn't exist or holds nothing of
// that type.
func (h *handler) write(ctx context.Context, w dns.ResponseWriter, r *dns.Msg, n *node, soa []dns.RR) (int, error) {
	q := &r.Question[0]
	m := new(dns.Msg)
	m.SetReply(r)
	m.Authoritative = true
	if n == nil {
		m.Rcode = dns.RcodeNameError
	} else {
		m.Answer, m.Extra = n.answer(q.Qtype)
		if len(m.Answer) == 0 {
			h.follow(ctx, w, r, m, n)
		} else if q.Name != n.owner {
			m.Answer = renamed(m.Answer, q.Name)
		}
	}
	if len(m.Answer) == 0 {
		m.Ns = slices.Clip(soa)
	}
	if err := w.WriteMsg(m); err != nil {
		return dns.RcodeServerFailure, plugin.Error(pluginName, err)
	}
	return dns.RcodeSuccess, nil
}
