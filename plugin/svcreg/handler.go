// Package svcreg is the CoreDNS plugin that answers from service registries
// in etcd.
//
// An etcd watch keeps an immutable, compact index current; a query loads a
// pointer, looks its name up and makes the few records that it is answered
// with. It takes no lock and asks nobody. The names are those of Kubernetes'
// DNS-Based Service Discovery 1.1.0, and <service>.<namespace>.<zone> beside
// them.
package svcreg

import (
	"context"

	"github.com/coredns/coredns/plugin"
	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/miekg/dns"
)

const pluginName = "svcreg"

var log = clog.NewWithPlugin(pluginName)

// handler answers the queries of one server block, from the registries of its
// stanzas.
type handler struct {
	next    plugin.Handler
	stanzas []*stanza
	// search is the server's own search path, for AutoPath.
	search []string
}

// Name implements plugin.Handler.
func (*handler) Name() string { return pluginName }

// Ready implements ready.Readiness: whether there is anything to answer from
// in every zone. Once there is, etcd may go away.
func (h *handler) Ready() bool {
	for _, s := range h.stanzas {
		if s.index.Load() == nil {
			return false
		}
	}
	return true
}

// ServeDNS implements plugin.Handler. The stanza with the longest zone
// answers; what it has no name for and lets fall through goes to the stanza
// with the next zone, and at last to the next plugin.
func (h *handler) ServeDNS(ctx context.Context, w dns.ResponseWriter, r *dns.Msg) (int, error) {
	if len(r.Question) == 0 {
		return dns.RcodeFormatError, nil
	}
	name := lower(r.Question[0].Name)
	for tried := uint64(0); ; {
		i, zone, below := h.match(name, tried)
		if zone == nil {
			return plugin.NextOrFailure(pluginName, h.next, ctx, w, r)
		}
		answered, rcode, err := h.stanzas[i].serve(ctx, w, r, zone, name, below)
		if answered {
			return rcode, err
		}
		tried |= 1 << i
	}
}

// maxStanzas is how many stanzas a server block can have: as many as a set of
// those tried has bits.
const maxStanzas = 64

// match returns which of the stanzas that were not tried yet has the longest
// zone that a name in lower case belongs to, and the name's labels below it.
func (h *handler) match(name string, tried uint64) (which int, longest *zone, below string) {
	for i, s := range h.stanzas {
		if tried&(1<<i) != 0 {
			continue
		}
		if zone, rest := s.zones.match(name); zone != nil && (longest == nil || len(zone.name) > len(longest.name)) {
			which, longest, below = i, zone, rest
		}
	}
	return which, longest, below
}

// lower returns a name in lower case. Other letters than those of ASCII have
// no case in DNS (RFC 4343).
func lower(name string) string {
	for i := range len(name) {
		if isUpper(name[i]) {
			return lowered(name, i)
		}
	}
	return name
}

// lowered is lower for a name of which the first i octets are so already.
func lowered(name string, i int) string {
	b := []byte(name)
	for ; i < len(b); i++ {
		if isUpper(b[i]) {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
