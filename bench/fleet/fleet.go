// Package fleet is what every server of the benchmark serves: a made-up fleet
// of services with stable names and addresses, and the questions to ask about
// it together with their right answers. It is pure: a fleet is a function of
// its size.
package fleet

import (
	"fmt"
	"iter"
	"net/netip"
	"strings"
)

const (
	// Zone is the zone of all names, as in a cluster.
	Zone = "cluster.local."
	// PortName is the name of the one port that every service has.
	PortName = "http"
	// Port is that port's number.
	Port = 80
	// perNamespace is how many services share a namespace.
	perNamespace = 100
	// period is how often services repeat: one in so many is headless, and
	// one has a second portal IP, an IPv6 address.
	period        = 10
	dualStackTurn = 4
	headlessTurn  = 9
)

// The services whose changes are timed. No other change touches them.
const (
	ProbePortal   = 0
	ProbeHeadless = headlessTurn
)

// Where the addresses come from. The networks are wide enough for 100k
// services with 50 endpoints each, and services change to addresses of their
// own spares.
var (
	portals4  = netip.MustParseAddr("10.96.0.0")
	portals6  = netip.MustParseAddr("fd00:10:96::")
	endpoints = netip.MustParseAddr("10.128.0.0")
	spares    = netip.MustParseAddr("172.16.0.0")
)

// Fleet says how large a fleet is.
type Fleet struct {
	Services  int
	Endpoints int // of each service
}

// Service is one service of a fleet, and what it leads to.
type Service struct {
	Index     int
	Name      string
	Namespace string
	Headless  bool
	Portals   []netip.Addr // IPv4, and IPv6 if it is dual-stack; none if headless
	Endpoints []netip.Addr
}

// Service returns the i-th service, from 0.
func (f Fleet) Service(i int) Service {
	s := Service{
		Index:     i,
		Name:      fmt.Sprintf("svc-%05d", i),
		Namespace: f.namespace(i / perNamespace),
		Headless:  i%period == headlessTurn,
	}
	if !s.Headless {
		s.Portals = append(s.Portals, add(portals4, i+1))
	}
	if i%period == dualStackTurn {
		s.Portals = append(s.Portals, add(portals6, i+1))
	}
	for j := range f.Endpoints {
		s.Endpoints = append(s.Endpoints, add(endpoints, i*f.Endpoints+j+1))
	}
	return s
}

// All returns the services in order.
func (f Fleet) All() iter.Seq[Service] {
	return func(yield func(Service) bool) {
		for i := range f.Services {
			if !yield(f.Service(i)) {
				return
			}
		}
	}
}

// Namespaces returns the names of the namespaces.
func (f Fleet) Namespaces() []string {
	var names []string
	for i := 0; i*perNamespace < f.Services; i++ {
		names = append(names, f.namespace(i))
	}
	return names
}

func (Fleet) namespace(i int) string { return fmt.Sprintf("team-%03d", i) }

// DNSName returns the service's name in the DNS.
func (s Service) DNSName() string {
	return s.Name + "." + s.Namespace + ".svc." + Zone
}

// PodName returns the name of the pod behind an endpoint.
func (s Service) PodName(endpoint int) string {
	return fmt.Sprintf("%s-6d4cf56db6-%05x", s.Name, endpoint)
}

// Changed returns the service as it is after its n-th change: a service has
// another portal IP, a headless one another first endpoint.
func (s Service) Changed(n int) Service {
	address := add(spares, n%(1<<20)+1)
	if s.Headless {
		return s.WithEndpoint(address)
	}
	s.Portals = append([]netip.Addr{address}, s.Portals[1:]...)
	return s
}

// WithEndpoint returns the service with another first endpoint.
func (s Service) WithEndpoint(address netip.Addr) Service {
	s.Endpoints = append([]netip.Addr{address}, s.Endpoints[1:]...)
	return s
}

// Churned returns the service as one of many that change in the background:
// a pod was replaced, for the n-th time.
func (s Service) Churned(n int) Service {
	return s.WithEndpoint(add(spares, n%(1<<20)+1))
}

// endpointName returns an endpoint's name in the DNS.
func (s Service) endpointName(address netip.Addr) string {
	return strings.ReplaceAll(address.String(), ".", "-") + "." + s.DNSName()
}

// add returns the n-th address after another.
func add(a netip.Addr, n int) netip.Addr {
	b := a.AsSlice()
	for i := len(b) - 1; n > 0; i-- {
		n += int(b[i])
		b[i] = byte(n)
		n >>= 8
	}
	sum, _ := netip.AddrFromSlice(b)
	return sum
}
