// Package services has the made-up services of the data plane's benchmark: with
// addresses that the network of package network has. It is pure.
package services

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/registry"
)

// Where addresses come from.
var (
	// Portals is the network of the portal IPs, which are random ones of it.
	Portals = netip.MustParsePrefix("10.96.0.0/12")
	// Pods is the network of the endpoints that answer, each of them once.
	Pods = netip.MustParsePrefix("10.128.0.0/10")
	// Void is the network of endpoints that swallow what they get.
	Void = netip.MustParsePrefix("10.192.0.0/16")
	// Elsewhere is the network of what is no service; it swallows, too.
	Elsewhere = netip.MustParsePrefix("10.112.0.0/16")
	// Cluster is the network of all endpoints and of the clients.
	Cluster = netip.MustParsePrefix("10.128.0.0/9")

	spares = netip.MustParseAddr("10.160.0.0")
)

const (
	// Port is the port of all services, and of their endpoints.
	Port = fleet.Port
	// Min is how many services there must be, so that all special ones are
	// there.
	Min = 10

	perNamespace = 100
)

// Service is a service with its endpoints.
type Service struct {
	fleet.Service
	Protocol registry.Protocol
}

// Portal returns where the service is reached.
func (s Service) Portal() netip.AddrPort { return netip.AddrPortFrom(s.Portals[0], Port) }

// Swapped returns the service as it is after its n-th change, counted from 1:
// its first endpoint is one that nobody had before.
func (s Service) Swapped(n int) Service {
	const each, owners = 1 << 18, 8 // addresses for each of so many services
	s.Service = s.WithEndpoint(after(spares, s.Index%owners*each+n%each))
	return s
}

// Fleet is a number of services that differ in nothing but their addresses,
// but for a few:
//
//   - the first and the last have UDP, and endpoints that swallow;
//   - the one before the last but one has UDP and a single endpoint, so that
//     the first packet after a change shows it.
type Fleet struct {
	Endpoints int // of each service
	portals   []netip.Addr
	snapshot  *registry.Snapshot
}

// New returns a fleet, the same for the same numbers.
func New(services, endpoints int) *Fleet {
	f := &Fleet{Endpoints: endpoints}
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret
	seen := map[netip.Addr]bool{}
	for len(f.portals) < services {
		addr := after(Portals.Addr(), 1+random.IntN(1<<(32-Portals.Bits())-2))
		if !seen[addr] {
			seen[addr] = true
			f.portals = append(f.portals, addr)
		}
	}
	return f
}

// Len returns the number of services.
func (f *Fleet) Len() int { return len(f.portals) }

// String returns "10000 × 5".
func (f *Fleet) String() string { return fmt.Sprintf("%d × %d", f.Len(), f.Endpoints) }

// First returns the service that stands first in a list of all.
func (f *Fleet) First() Service { return f.Service(0) }

// Last returns the one that stands last.
func (f *Fleet) Last() Service { return f.Service(f.Len() - 1) }

// Talker returns a service that connections are opened to: the last but one.
func (f *Fleet) Talker() Service { return f.Service(f.Len() - 2) }

// Probe returns the service whose changes packets show.
func (f *Fleet) Probe() Service { return f.Service(f.Len() - 3) }

// Service returns the i-th service, from 0.
func (f *Fleet) Service(i int) Service {
	s := Service{Protocol: registry.TCP, Service: fleet.Service{
		Index:     i,
		Name:      fmt.Sprintf("svc-%05d", i),
		Namespace: fmt.Sprintf("team-%03d", i/perNamespace),
		Portals:   []netip.Addr{f.portals[i]},
	}}
	network, count, offset := Pods.Addr(), f.Endpoints, i*f.Endpoints
	switch i {
	case 0:
		s.Protocol, network, offset = registry.UDP, Void.Addr(), 0
	case f.Len() - 1:
		s.Protocol, network, offset = registry.UDP, Void.Addr(), f.Endpoints
	case f.Len() - 3:
		s.Protocol, count = registry.UDP, 1
	}
	for j := range count {
		s.Service.Endpoints = append(s.Service.Endpoints, after(network, offset+j+1))
	}
	return s
}

// after returns the n-th IPv4 address after another.
func after(a netip.Addr, n int) netip.Addr {
	b := a.As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+uint32(n))
	return netip.AddrFrom4(b)
}
