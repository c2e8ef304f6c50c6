package svcreg

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
)

// tree is a service's names in one zone: its own, and those below it.
type tree struct {
	node
	// below are the endpoints of a headless service and the SRV names, sorted
	// by owner.
	below []node
}

// find returns the node of the labels below the service's name, or nil.
func (t *tree) find(labels string) *node {
	i, found := slices.BinarySearchFunc(t.below, labels, func(n node, labels string) int {
		return strings.Compare(t.labels(&n), labels)
	})
	if found {
		return &t.below[i]
	}
	if labels[0] != '_' {
		return nil
	}
	for i := range t.below { // "_tcp" exists if "_http._tcp" does
		if strings.HasSuffix(t.labels(&t.below[i]), "."+labels) {
			return hollow
		}
	}
	return nil
}

// labels returns the labels by which a node's name is longer than the
// service's.
func (t *tree) labels(n *node) string { return n.owner[:len(n.owner)-len(t.owner)-1] }

// srvWeight is shared out among the SRV records of one name.
const srvWeight = 100

// maxName is the length of the longest name, with its dot at the end (RFC 1035
// section 2.3.4: 255 octets with the length of each label and the root's).
const maxName = 254

// layout is a service as DNS sees it, before it has a zone.
type layout struct {
	name   string // "my-service.my-ns.svc"
	target string // an ExternalName service's
	addrs  []netip.Addr
	hosts  []host
	ports  []port
}

// host is an endpoint of a headless service that has a name of its own.
type host struct {
	label string
	addrs []netip.Addr
}

// port is a named port and what SRV records of it lead to.
type port struct {
	labels  string // "_http._tcp"
	targets []target
}

// target is a host, or the service itself if the label is empty.
type target struct {
	label string
	port  uint16
}

// newTrees returns a service's names in every forward zone, or nil for a
// service that has none.
func newTrees(e *registry.Entry, zones []string, ttl uint32) []tree {
	l, ok := newLayout(e)
	if !ok {
		return nil
	}
	trees := make([]tree, len(zones))
	for i, zone := range zones {
		trees[i] = l.tree(join(l.name, zone), ttl)
	}
	return trees
}

// newLayout says what names a service has. It has none if it could not be
// asked for: its own name is no DNS label, it has no ports behind its portal
// IP, no ready endpoint where it is headless, or it stands for something that
// is not a name.
func newLayout(e *registry.Entry) (l layout, ok bool) {
	if !isLabel(e.Name) || !isLabel(e.Namespace) {
		return l, false
	}
	l.name = e.Name + "." + e.Namespace + ".svc"
	switch {
	case e.Type == registry.ExternalName:
		l.target, ok = externalName(e.ExternalName)
		return l, ok
	case e.Headless:
		l.headless(e)
		return l, len(l.addrs) > 0
	}
	l.portal(e)
	return l, len(e.Ports) > 0
}

// externalName returns what an ExternalName service stands for, fully
// qualified; not an address, of which no CNAME could be made.
func externalName(name string) (string, bool) {
	if _, err := netip.ParseAddr(strings.TrimSuffix(name, ".")); err == nil || name == "" {
		return "", false
	}
	_, ok := dns.IsDomainName(name)
	name = strings.ToLower(dns.Fqdn(name))
	return name, ok && len(name) <= maxName
}

// portal fills in a service with portal IPs: they, and the named ports.
func (l *layout) portal(e *registry.Entry) {
	for _, addr := range e.PortalIPs {
		l.addrs = appendNew(l.addrs, addr.Unmap().WithZone(""))
	}
	if len(l.addrs) == 0 {
		return // nothing that an SRV record could lead to
	}
	for _, p := range e.Ports {
		if labels, ok := portLabels(p); ok {
			l.ports = append(l.ports, port{labels, []target{{port: p.Port}}})
		}
	}
}

// isLabel reports whether a name is a DNS label as the registry's names are:
// of lower-case letters, digits, dashes and underscores.
func isLabel(s string) bool {
	return s != "" && len(s) <= 63 && !strings.ContainsFunc(s, notInLabel)
}

func notInLabel(r rune) bool {
	return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// portLabels returns the first two labels of a port's SRV name; a port without
// a name has none.
func portLabels(p registry.Port) (string, bool) {
	name := strings.ToLower(p.Name)
	return "_" + name + "._" + strings.ToLower(string(p.Protocol)), isLabel(name) && len(name) < 63
}

// tree makes a service's records in one zone, where it has that name; none if
// the name is too long.
func (l *layout) tree(owner string, ttl uint32) tree {
	if len(owner) > maxName {
		return tree{}
	}
	t := tree{node: node{owner: owner}}
	if l.target != "" {
		if l.target != owner {
			t.records = []dns.RR{&dns.CNAME{Hdr: header(owner, dns.TypeCNAME, ttl), Target: l.target}}
		}
		return t
	}
	t.records = addresses(owner, ttl, l.addrs)
	t.below = make([]node, 0, len(l.hosts)+len(l.ports))
	for _, h := range l.hosts {
		if name := h.label + "." + owner; len(name) <= maxName {
			t.below = append(t.below, node{owner: name, records: addresses(name, ttl, h.addrs)})
		}
	}
	hosts := t.below // sorted as l.hosts are
	for i := range l.ports {
		if name := l.ports[i].labels + "." + owner; len(name) <= maxName {
			t.below = append(t.below, l.ports[i].node(name, ttl, &t, hosts))
		}
	}
	slices.SortFunc(t.below, func(a, b node) int { return strings.Compare(t.labels(&a), t.labels(&b)) })
	return t
}

// node returns a port's SRV records with the addresses of their targets.
func (p *port) node(owner string, ttl uint32, t *tree, hosts []node) node {
	var (
		n      = node{owner: owner, records: make([]dns.RR, 0, len(p.targets))}
		srvs   = make([]dns.SRV, 0, len(p.targets))
		weight = uint16(max(1, srvWeight/len(p.targets)))
		served string // the host whose addresses n.extra has already
	)
	for _, target := range p.targets {
		at := &t.node
		if target.label != "" {
			i, ok := slices.BinarySearchFunc(hosts, target.label, func(n node, label string) int {
				return strings.Compare(t.labels(&n), label)
			})
			if !ok {
				continue
			}
			at = &hosts[i]
		}
		srvs = append(srvs, dns.SRV{Hdr: header(owner, dns.TypeSRV, ttl), Weight: weight, Port: target.port, Target: at.owner})
		n.records = append(n.records, &srvs[len(srvs)-1])
		if at.owner != served {
			n.extra = append(n.extra, at.records...)
			served = at.owner
		}
	}
	return n
}
