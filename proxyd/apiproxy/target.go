package apiproxy

import (
	"cmp"
	"net"
	"slices"
	"strconv"

	"github.com/svcreg/svcreg/registry"
)

// kubeletPort is where a node is asked when the request names no port.
const kubeletPort = 10250

// target is one place where a request can go.
type target struct {
	scheme string // http or https
	// host is an IP address or, of endpoints that were given so, a DNS name.
	host string
	port uint16
	// name is whom the certificate of an https target must speak for.
	name string
	// named says that host is a DNS name.
	named bool
	// last says that the target serves only where no other does.
	last bool
}

// address is where to dial, such as "10.0.0.1:8080".
func (t target) address() string { return net.JoinHostPort(t.host, strconv.Itoa(int(t.port))) }

// targets returns where a request for p can go: at least one place, in no
// meaningful order, or an error that says why there is none.
func targets(s *registry.Snapshot, p path) ([]target, error) {
	switch p.to.Kind {
	case registry.KindPod:
		return podTargets(s, p)
	case registry.KindNode:
		return nodeTargets(s, p)
	}
	return serviceTargets(s, p)
}

func serviceTargets(s *registry.Snapshot, p path) ([]target, error) {
	e := s.Service(p.to.Key)
	if e == nil {
		return nil, notFound(p.to)
	}
	port, ok, err := servicePort(e, p)
	if err != nil {
		return nil, err
	}
	var found []target
	if ok {
		found = endpointTargets(e, port, p)
	}
	switch {
	case len(found) > 0:
		return found, nil
	case len(e.Subsets) == 0:
		return nil, unavailable("no endpoints available for service %q", p.to.Name)
	}
	return nil, unavailable("no endpoints available for service %q", p.id)
}

// servicePort returns the port that is asked for: by its number, by its name,
// or, where the request has none, the unnamed or the only one.
func servicePort(e *registry.Entry, p path) (registry.Port, bool, error) {
	ports := slices.DeleteFunc(slices.Clone(e.Ports), func(port registry.Port) bool {
		return cmp.Or(port.Protocol, registry.TCP) != registry.TCP
	})
	match := func(port registry.Port) bool { return port.Name == p.port }
	number, err := strconv.ParseInt(p.port, 10, 64)
	if err == nil {
		match = func(port registry.Port) bool { return int64(port.Port) == number }
	}
	switch i := slices.IndexFunc(ports, match); {
	case i >= 0:
		return ports[i], true, nil
	case err == nil:
		return registry.Port{}, false, unavailable("no service port %d found for service %q", number, p.to.Name)
	case p.port == "" && len(ports) == 1:
		return ports[0], true, nil
	}
	// A headless service may list no ports: its endpoints do.
	return registry.Port{Name: p.port, Protocol: registry.TCP}, len(e.Ports) == 0, nil
}

// endpointTargets returns the endpoints that take requests, and those that do
// only because they have not gone yet.
func endpointTargets(e *registry.Entry, port registry.Port, p path) []target {
	var found []target
	for _, b := range e.Backends(port) {
		ready := e.Serves(b.Endpoint)
		if !ready && (!b.Terminating || !b.Serving) {
			continue
		}
		t := target{scheme: schemeOf(p), port: b.Port, last: b.Terminating}
		if b.Addr.IsValid() {
			t.host, t.name = b.Addr.String(), p.to.Name+"."+p.to.Namespace+".svc"
		} else {
			t.host, t.name, t.named = b.Host, b.Host, true
		}
		found = append(found, t)
	}
	return found
}

func podTargets(s *registry.Snapshot, p path) ([]target, error) {
	pod := s.Pod(p.to.Key)
	switch {
	case pod == nil:
		return nil, notFound(p.to)
	case len(pod.IPs) == 0 || pod.Finished:
		return nil, unavailable("no address available for pod %q", p.to.Name)
	}
	port, err := podPort(pod, p)
	if err != nil {
		return nil, err
	}
	host := pod.IPs[0].String()
	return []target{{scheme: schemeOf(p), host: host, port: port, name: host}}, nil
}

// podPort returns the port that is asked for, by number or by name; or else
// the first that a container has, or port 80.
func podPort(pod *registry.Pod, p path) (uint16, error) {
	if n, err := strconv.ParseUint(p.port, 10, 16); err == nil && n > 0 {
		return uint16(n), nil
	}
	for _, port := range pod.Ports {
		if p.port == "" || p.port == port.Name {
			return port.Port, nil
		}
	}
	if p.port != "" {
		return 0, badRequest("invalid pod request %q", p.id)
	}
	return 80, nil
}

// nodeTargets returns the kubelet of a node, or another port of the node if
// the request has one.
func nodeTargets(s *registry.Snapshot, p path) ([]target, error) {
	node := s.Node(p.to.Name)
	switch {
	case node == nil:
		return nil, notFound(p.to)
	case len(node.IPs) == 0:
		return nil, unavailable("no address available for node %q", p.to.Name)
	}
	host := node.IPs[0].String()
	t := target{scheme: cmp.Or(p.scheme, "https"), host: host, port: kubeletPort, name: host}
	if p.port != "" {
		n, err := strconv.ParseUint(p.port, 10, 16)
		if err != nil || n == 0 {
			return nil, badRequest("invalid node request %q", p.id)
		}
		t.scheme, t.port = schemeOf(p), uint16(n)
	}
	return []target{t}, nil
}

func schemeOf(p path) string { return cmp.Or(p.scheme, "http") }
