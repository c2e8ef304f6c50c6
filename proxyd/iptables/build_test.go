package iptables

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// service is a service in the short form that tests write.
type service struct {
	name    string
	portals []string
	publics []string
	ports   []registry.Port // default: TCP 80 → 8080
	// backends are addresses, with what is to be said of them behind: "@" and
	// a node's name, "!unready" or "!leaving".
	backends []string
	affinity time.Duration
	// balanced are the load balancer's addresses, sources who may connect.
	balanced, sources            []string
	externalLocal, internalLocal bool
	publishNotReady              bool
	weights                      string
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
		LoadBalancerIPs: addrs(s.balanced), Type: registry.LoadBalancer,
		ExternalLocal: s.externalLocal, InternalLocal: s.internalLocal, PublishNotReady: s.publishNotReady,
	}
	for _, p := range s.sources {
		svc.SourceRanges = append(svc.SourceRanges, netip.MustParsePrefix(p))
	}
	if s.weights != "" {
		svc.Annotations = map[string]string{rules.WeightsAnnotation: s.weights}
	}
	var subset registry.Subset
	for _, p := range ports {
		number := p.Port
		if p.TargetPort != "" {
			fmt.Sscan(p.TargetPort, &number)
		}
		subset.Ports = append(subset.Ports, registry.EndpointPort{Name: p.Name, Protocol: p.Protocol, Port: number})
	}
	for _, text := range s.backends {
		text, state, _ := strings.Cut(text, "!")
		addr, node, _ := strings.Cut(text, "@")
		leaving := state == "leaving"
		subset.Endpoints = append(subset.Endpoints, registry.Endpoint{
			Addr: netip.MustParseAddr(addr), Node: node, Ready: state == "", Serving: state == "" || leaving, Terminating: leaving,
		})
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

// pods are the cluster's networks in most tests.
var pods = []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("10.2.0.0/16"), netip.MustParsePrefix("fd01::/16")}

// everywhere lets services have any public address, and node ports. The node is
// called "here".
var everywhere = rules.Policy{
	PublicRanges: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")},
	NodeName:     "here", NodeAddrs: addrs([]string{node4, node6, "10.1.1.1", "fd01:1::1"}),
	NodePorts: true, ClusterCIDRs: pods,
}

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

// frontend reads "10.0.0.1:80/TCP".
func frontend(text string) rules.Frontend {
	at, protocol, _ := strings.Cut(text, "/")
	to := netip.MustParseAddrPort(at)
	return rules.Frontend{Addr: to.Addr(), Protocol: registry.Protocol(protocol), Port: to.Port()}
}
