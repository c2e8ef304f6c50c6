package svcreg

import (
	"net/netip"
	"slices"
	"strings"
	"unique"

	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
)

// service is a service as DNS sees it. It is made when the service or its
// endpoints change, and never changes itself.
type service struct {
	host         // the service's own name
	hosts []host // the endpoints of a headless service, sorted by label
	ports []port // the named ports, sorted by labels
}

// find returns what stands at the labels below the service's name, or nil.
func (s *service) find(labels string) subject {
	if i, ok := slices.BinarySearchFunc(s.hosts, labels, compareHost); ok {
		return &s.hosts[i]
	}
	if labels[0] != '_' {
		return nil
	}
	for i := range s.ports {
		if s.ports[i].labels == labels {
			return &s.ports[i]
		}
	}
	for i := range s.ports { // "_tcp" exists if "_http._tcp" does
		if _, protocol, _ := strings.Cut(s.ports[i].labels, "."); protocol == labels {
			return hollow
		}
	}
	return nil
}

func compareHost(h host, label string) int { return strings.Compare(h.label, label) }

// newService returns a service as DNS sees it, or nil if it has no name: its
// own name is no DNS label, it has no ports behind its portal IP, no ready
// endpoint where it is headless, or it stands for something that is not a
// name.
func newService(e *registry.Entry, rules *endpointRules) *service {
	if !isLabel(e.Name) || !isLabel(e.Namespace) {
		return nil
	}
	switch {
	case e.IsAlias():
		return newAlias(e)
	case e.Headless:
		return newHeadless(e, rules)
	case len(e.Ports) == 0:
		return nil
	}
	return newPortal(e, e.PortalIPs)
}

// newAlias returns a service that stands for something outside; not for an
// address, of which no CNAME could be made.
func newAlias(e *registry.Entry) *service {
	name, ok := aliasName(e.ExternalName)
	if !ok {
		return nil
	}
	return &service{host: host{aliases: []string{name}}}
}

// aliasName returns a name that something stands for as DNS has it. An address
// is none.
func aliasName(name string) (string, bool) {
	if name == "" {
		return "", false
	}
	if _, err := netip.ParseAddr(strings.TrimSuffix(name, ".")); err == nil {
		return "", false
	}
	_, ok := dns.IsDomainName(name)
	name = strings.ToLower(dns.Fqdn(name))
	return name, ok && len(name) <= maxName
}

// newPortal returns a service at some addresses of its own.
func newPortal(e *registry.Entry, addrs []netip.Addr) *service {
	s := &service{host: host{addrs: byFamily(addrs)}}
	if len(s.addrs) == 0 {
		return s // nothing that an SRV record could lead to
	}
	for _, p := range e.Ports {
		if labels, ok := portLabels(p); ok {
			s.add(labels, []target{{&s.host, p.Port}})
		}
	}
	return s
}

// add adds a port, unless nothing is there to lead to or it stands already.
func (s *service) add(labels string, targets []target) {
	same := func(p port) bool { return p.labels == labels }
	if len(targets) == 0 || slices.ContainsFunc(s.ports, same) {
		return
	}
	s.ports = append(slices.Clip(s.ports), port{unique.Make(labels).Value(), targets})
}

// maxLabel is the length of the longest label, in octets (RFC 1035 section
// 2.3.4).
const maxLabel = 63

// isLabel reports whether a name is a DNS label as the registry's names are:
// of lower-case letters, digits, dashes and underscores.
func isLabel(s string) bool {
	return s != "" && len(s) <= maxLabel && !strings.ContainsFunc(s, notInLabel)
}

func notInLabel(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}
