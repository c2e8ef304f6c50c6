package endpoints

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// group is those endpoints of a service that may stand in one slice: they are
// of one address family and have the same ports.
type group struct {
	v6        bool
	ports     []registry.EndpointPort
	endpoints []registry.Endpoint
}

// refusal is a pod's address that no service may lead to (CVE-2020-8555), and
// why.
type refusal struct {
	pod    registry.Key
	addr   netip.Addr
	reason string
}

// surroundings are what matters to a service's endpoints beside its pods.
type surroundings interface {
	// zone returns where a node is.
	zone(node string) string
	// refuse returns why no service may lead to an address; "" if it may.
	refuse(netip.Addr) string
}

// selected reports whether the controller makes the endpoints of a service: it
// exists, has a selector, and leads to pods at all.
func selected(s *registry.Service) bool {
	return s != nil && s.Selector != nil && s.Type != registry.ExternalName
}

// choose returns the endpoints of a service, of the pods that its selector
// matches, in groups. Their order depends on nothing but what they are.
func choose(s *registry.Service, pods []*registry.Pod, in surroundings) ([]group, []refusal) {
	byID := map[string]*group{}
	last := &group{}
	var refused []refusal
	for _, pod := range pods {
		if pod.Finished {
			continue
		}
		ports := portsOf(s, pod)
		for _, addr := range pod.IPs {
			if !familyOf(s, addr) {
				continue
			}
			if reason := in.refuse(addr); reason != "" {
				refused = append(refused, refusal{pod.Key, addr, reason})
				continue
			}
			if last.endpoints == nil || last.v6 != addr.Is6() || !slices.Equal(last.ports, ports) {
				last = groupIn(byID, addr.Is6(), ports)
			}
			last.endpoints = append(last.endpoints, endpoint(s, pod, addr, in))
		}
	}
	return sorted(byID), refused
}

// groupIn returns the group of those endpoints, a new one if need be.
func groupIn(byID map[string]*group, v6 bool, ports []registry.EndpointPort) *group {
	id := groupID(v6, ports)
	if byID[id] == nil {
		byID[id] = &group{v6: v6, ports: ports}
	}
	return byID[id]
}

// sorted returns groups in the order of what they are, and their endpoints in
// that of pods and addresses.
func sorted(byID map[string]*group) []group {
	groups := make([]group, 0, len(byID))
	for _, g := range byID {
		slices.SortFunc(g.endpoints, func(a, b registry.Endpoint) int {
			return cmp.Or(a.Target.Key.Compare(b.Target.Key), a.Addr.Compare(b.Addr))
		})
		groups = append(groups, *g)
	}
	slices.SortFunc(groups, func(a, b group) int { return cmp.Compare(groupID(a.v6, a.ports), groupID(b.v6, b.ports)) })
	return groups
}

// groupID is the same for endpoints that may stand together.
func groupID(v6 bool, ports []registry.EndpointPort) string {
	var id strings.Builder
	id.WriteString(strconv.FormatBool(v6))
	for _, p := range ports {
		id.WriteString("," + p.Name + "/" + string(p.Protocol) + "/" + strconv.Itoa(int(p.Port)))
	}
	return id.String()
}

// familyOf reports whether a service has use for an address of that family: one
// with addresses of its own for those that they are of, a headless one for what
// it asks for, any other for all.
func familyOf(s *registry.Service, addr netip.Addr) bool {
	if s.Headless {
		return addr.Is4() && !s.OnlyIPv6 || addr.Is6() && !s.OnlyIPv4
	}
	any := true
	for _, list := range [][]netip.Addr{s.PortalIPs, s.PublicIPs, s.LoadBalancerIPs} {
		for _, own := range list {
			if own.Is6() == addr.Is6() {
				return true
			}
			any = false
		}
	}
	return any
}

// endpoint returns what a pod is in a slice.
func endpoint(s *registry.Service, pod *registry.Pod, addr netip.Addr, in surroundings) registry.Endpoint {
	e := registry.Endpoint{
		Addr:        addr,
		Node:        pod.Node,
		Target:      registry.Target{Kind: pod.Kind.String(), Key: pod.Key},
		Ready:       s.PublishNotReady || pod.Ready && !pod.Terminating,
		Serving:     pod.Ready,
		Terminating: pod.Terminating,
	}
	if pod.Node != "" {
		e.Zone = in.zone(pod.Node)
	}
	if pod.Subdomain == s.Name && isLabel(pod.Hostname) {
		e.Hostname = pod.Hostname
	}
	return e
}

// isLabel reports whether a text can be one label of a DNS name.
func isLabel(text string) bool {
	for _, c := range []byte(text) {
		if c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return text != "" && len(text) <= 63 && text[0] != '-' && text[len(text)-1] != '-'
}

// portsOf returns on which ports a pod serves those of a service. One that
// names a port which the pod's containers don't have is missing.
func portsOf(s *registry.Service, pod *registry.Pod) []registry.EndpointPort {
	var ports []registry.EndpointPort
	for _, p := range s.Ports {
		if number := target(p, pod); number != 0 {
			ports = append(ports, registry.EndpointPort{Name: p.Name, Protocol: p.Protocol, Port: number})
		}
	}
	return ports
}

// target returns the port of a pod that serves one of a service's; zero for
// none.
func target(p registry.Port, pod *registry.Pod) uint16 {
	switch {
	case p.TargetPort == "":
		return p.Port
	case p.TargetPort == registry.FirstPort && len(pod.Ports) == 0:
		return p.Port
	case p.TargetPort == registry.FirstPort:
		return pod.Ports[0].Port
	}
	if number, err := strconv.ParseUint(p.TargetPort, 10, 16); err == nil {
		return uint16(number)
	}
	for _, c := range pod.Ports {
		if c.Name == p.TargetPort && c.Protocol == p.Protocol {
			return c.Port
		}
	}
	return 0
}
