package apiproxy

import (
	"cmp"
	"net"
	"slices"
	"strconv"

	"github.com/svcreg/svcreg/proxyd/apistatus"
	"github.com/svcreg/svcreg/registry"
)

// kubeletPort is where a node is asked when the request names no port.
const kubeletPort = 10250

// target is one place where a request can go.
type target struct {
	scheme string // http or https
	// address is where to dial, such as "10.0.0.1:8080": an IP address or, of
	// endpoints that were given so, a DNS name.
	address string
	// key is the address as the transport knows it; see tlsAddress.
	key string
	// host is what requests are for where the endpoint was given by a DNS name:
	// that name and the port. Else it is empty.
	host string
	// last says that the target serves only where no other does.
	last bool
}

// newTarget returns a target. The name is whom its certificate must speak for
// if the scheme is https.
func newTarget(scheme, host string, port uint16, name string) target {
	number := strconv.Itoa(int(port))
	t := target{scheme: scheme, address: net.JoinHostPort(host, number)}
	t.key = t.address
	if scheme == "https" {
		t.key = tlsAddress(host, number, name)
	}
	return t
}

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
		return nil, apistatus.Unavailable("no endpoints available for service %q", p.to.Name)
	}
	return nil, apistatus.Unavailable("no endpoints available for service %q", p.id)
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
		return registry.Port{}, false, apistatus.Unavailable("no service port %d found for service %q", number, p.to.Name)
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
	scheme, name := schemeOf(p), p.to.Name+"."+p.to.Namespace+".svc"
	for _, b := range e.Backends(port) {
		if !e.Serves(b.Endpoint) && (!b.Terminating || !b.Serving) {
			continue
		}
		var t target
		switch {
		case !b.Addr.IsValid():
			t = newTarget(scheme, b.Host, b.Port, b.Host)
			t.host = t.address
		case b.Target.Kind == registry.TargetHost:
			t = newTarget(scheme, b.Addr.String(), b.Port, b.Target.Name)
			t.host = net.JoinHostPort(b.Target.Name, strconv.Itoa(int(b.Port)))
		default:
			t = newTarget(scheme, b.Addr.String(), b.Port, name)
		}
		t.last = b.Terminating
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
		return nil, apistatus.Unavailable("no address available for pod %q", p.to.Name)
	}
	port, err := podPort(pod, p)
	if err != nil {
		return nil, err
	}
	host := pod.IPs[0].String()
	return []target{newTarget(schemeOf(p), host, port, host)}, nil
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
		return nil, apistatus.Unavailable("no address available for node %q", p.to.Name)
	}
	host := node.IPs[0].String()
	if p.port == "" {
		return []target{newTarget(cmp.Or(p.scheme, "https"), host, kubeletPort, host)}, nil
	}
	port, err := strconv.ParseUint(p.port, 10, 16)
	if err != nil || port == 0 {
		return nil, badRequest("invalid node request %q", p.id)
	}
	return []target{newTarget(schemeOf(p), host, uint16(port), host)}, nil
}

func schemeOf(p path) string { return cmp.Or(p.scheme, "http") }
