package iptables

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// service is a service in the short form that tests write.
type service struct {
	name     string
	portals  []string
	publics  []string
	ports    []registry.Port // default: TCP 80 → 8080
	backends []string        // addresses
	affinity time.Duration
}

// objects returns the service and its endpoints.
func (s service) objects(revision int64) []registry.Object {
	key := registry.Key{Namespace: "my-ns", Name: s.name}
	ports := s.ports
	if ports == nil {
		ports = []registry.Port{{Protocol: registry.TCP, Port: 80, TargetPort: "8080"}}
	}
	svc := &registry.Service{
		Meta:  registry.Meta{Kind: registry.KindService, Key: key, CreateRevision: revision, ModRevision: revision},
		Ports: ports, AffinityTimeout: s.affinity, PortalIPs: addrs(s.portals), PublicIPs: addrs(s.publics),
	}
	var subset registry.Subset
	for _, p := range ports {
		number := p.Port
		if p.TargetPort != "" {
			fmt.Sscan(p.TargetPort, &number)
		}
		subset.Ports = append(subset.Ports, registry.EndpointPort{Name: p.Name, Protocol: p.Protocol, Port: number})
	}
	for _, a := range addrs(s.backends) {
		subset.Endpoints = append(subset.Endpoints, registry.Endpoint{Addr: a, Ready: true, Serving: true})
	}
	endpoints := &registry.Endpoints{
		Meta:    registry.Meta{Kind: registry.KindEndpoints, Key: key, ModRevision: revision},
		Service: key, Subsets: []registry.Subset{subset},
	}
	return []registry.Object{svc, endpoints}
}

func addrs(texts []string) []netip.Addr {
	var all []netip.Addr
	for _, t := range texts {
		all = append(all, netip.MustParseAddr(t))
	}
	return all
}

// everywhere lets services have any public address.
var everywhere = rules.Policy{PublicRanges: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}}

// world is a registry with its rules, as a daemon keeps them.
type world struct {
	snapshot *registry.Snapshot
	rules    *rules.Ruleset
	changed  []rules.Frontend
	revision int64
}

func newWorld(services ...service) *world {
	w := &world{snapshot: registry.Build(0)}
	w.rules = rules.Compile(w.snapshot, everywhere)
	w.put(services...)
	w.changed = nil
	return w
}

// put writes services, and remembers the frontends that changed.
func (w *world) put(services ...service) {
	var changes []registry.Change
	for _, s := range services {
		w.revision++
		for _, o := range s.objects(w.revision) {
			changes = append(changes, registry.Put(o))
		}
	}
	w.apply(changes...)
}

// remove deletes services.
func (w *world) remove(names ...string) {
	var changes []registry.Change
	for _, name := range names {
		key := registry.Key{Namespace: "my-ns", Name: name}
		changes = append(changes, registry.Delete(registry.Ref{Kind: registry.KindService, Key: key}),
			registry.Delete(registry.Ref{Kind: registry.KindEndpoints, Key: key}))
	}
	w.apply(changes...)
}

func (w *world) apply(changes ...registry.Change) {
	next, c := w.snapshot.Apply(w.revision, changes...)
	w.snapshot = next
	w.rules, w.changed = w.rules.Update(next, c)
	if w.changed == nil {
		w.changed = []rules.Frontend{}
	}
}

// many returns n services with portal IPs that are spread over a /12.
func many(n, backends int) []service {
	all := make([]service, n)
	for i := range all {
		x := uint32(i) * 2654435761 >> 12
		all[i] = service{name: fmt.Sprintf("s%d", i), portals: []string{fmt.Sprintf("10.%d.%d.%d", 16+x>>16&15, x>>8&255, x&255)}}
		for j := range backends {
			all[i].backends = append(all[i].backends, fmt.Sprintf("10.%d.%d.%d", 128+i>>13, i>>5&255, i&31*8+j))
		}
	}
	return all
}
