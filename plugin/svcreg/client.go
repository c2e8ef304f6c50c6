package svcreg

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
)

// networks say which namespace the clients in a network live in.
type networks struct {
	namespaces map[netip.Prefix]string
	lengths    []int // of the prefixes, each once, the longest first
}

// add adds a network.
func (n *networks) add(network netip.Prefix, namespace string) {
	if n.namespaces == nil {
		n.namespaces = map[netip.Prefix]string{}
	}
	n.namespaces[network] = namespace
	n.lengths = appendNew(n.lengths, network.Bits())
	slices.SortFunc(n.lengths, func(a, b int) int { return b - a })
}

// namespace returns that of the longest network which an address is in, or "".
func (n *networks) namespace(addr netip.Addr) string {
	for _, bits := range n.lengths {
		if bits > addr.BitLen() {
			continue // it is of the other family
		}
		network, _ := addr.Prefix(bits)
		if namespace, ok := n.namespaces[network]; ok {
			return namespace
		}
	}
	return ""
}

// setClientNamespace adds one network. The property may be given again.
func (o *options) setClientNamespace(args []string) error {
	if len(args) != 2 {
		return errors.New("want CIDR NAMESPACE, such as 192.0.2.0/24 my-ns")
	}
	network, err := netip.ParsePrefix(args[0])
	switch {
	case err != nil, network.Addr().Is4In6():
		return fmt.Errorf("%q: want a CIDR such as 192.0.2.0/24", args[0])
	case network != network.Masked():
		return fmt.Errorf("%s: has bits set behind the prefix: want %v", args[0], network.Masked())
	case !isLabel(args[1]):
		return fmt.Errorf("%q: want a NAMESPACE: a DNS label in lower case", args[1])
	}
	if before := o.clients.namespaces[network]; before != "" {
		return fmt.Errorf("%v: is given to %s already", network, before)
	}
	o.clients.add(network, args[1])
	return nil
}

// knowsClients reports whether the namespace of any client can be known.
func (o *options) knowsClients() bool {
	return len(o.clients.namespaces) > 0 || o.pods == podsVerified
}

// clientAddr returns the address that a query comes from.
func clientAddr(w dns.ResponseWriter) netip.Addr {
	var addr netip.AddrPort
	switch a := w.RemoteAddr().(type) {
	case *net.UDPAddr:
		addr = a.AddrPort()
	case *net.TCPAddr:
		addr = a.AddrPort()
	case nil:
	default:
		addr, _ = netip.ParseAddrPort(a.String())
	}
	return addr.Addr().Unmap().WithZone("")
}

// clientNamespace returns the namespace that a client lives in: that of its
// network, else that of the pods at its address if all of them are of one. If
// nobody knows it is "".
func (x *index) clientNamespace(client netip.Addr) string {
	if namespace := x.clients.namespace(client); namespace != "" {
		return namespace
	}
	return x.clientPod(client).Namespace
}

// clientPod returns the pod that a client is, if it is one: only its namespace
// where several of that namespace share the address, and neither where they
// are of several namespaces.
func (x *index) clientPod(client netip.Addr) (pod registry.Key) {
	if x.podMode != podsVerified {
		return pod
	}
	for k := range x.snapshot.PodKeysByIP(client) {
		switch pod.Namespace {
		case "":
			pod = k
		case k.Namespace:
			pod.Name = ""
		default:
			return registry.Key{}
		}
	}
	return pod
}

// open reports whether clients can have a name of their own where something
// stands for all of them: nothing does, or only other names below it.
func (x *index) open(n subject) bool { return x.knowsClients && (n == nil || n == hollow) }

// bare returns what stands for a client at the labels [_port._protocol.]service
// below a zone: the service of that name in the client's namespace.
func (x *index) bare(zone *zone, below string, client netip.Addr) subject {
	labels, name := cutLabel(below)
	if zone.sort != forwardZone || name == "" || labels != "" && labels[0] != '_' {
		return nil
	}
	k := registry.Key{Namespace: x.clientNamespace(client), Name: name}
	s, ok := x.services.Get(k)
	switch {
	case !ok:
		return nil
	case labels == "":
		return &s.host
	}
	n := s.find(labels)
	if p, ok := n.(*port); ok {
		return &barePort{p, canonical(k, zone.name)}
	}
	return n
}

// barePort is a port of a service under a name that only some clients know. It
// leads to names that everybody knows.
type barePort struct {
	*port
	service string
}

func (p *barePort) records(owner string, qtype uint16, ttl uint32) (answer, extra []dns.RR) {
	return p.lead(owner, p.service, qtype, ttl)
}
