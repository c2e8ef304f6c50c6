package main

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// columns are what a table shows of each kind.
var columns = map[registry.Kind][]column{
	registry.KindService: {
		{"NAME", false, name},
		{"TYPE", false, of(func(s *registry.Service) string { return string(s.Type) })},
		{"PORTAL-IP", false, of(portalIP)},
		{"PUBLIC-IP", false, of(publicIP)},
		{"PORT(S)", false, of(servicePorts)},
		{"SELECTOR", true, of(selector)},
		{"VERSION", true, storedAs},
	},
	registry.KindEndpoints: {
		{"NAME", false, name},
		{"ENDPOINTS", false, of(someEndpoints)},
		{"NOT-READY", true, of(func(e *registry.Endpoints) string { return orNone(endpoints(e, false)) })},
		{"VERSION", true, storedAs},
	},
	registry.KindEndpointSlice: {
		{"NAME", false, name},
		{"SERVICE", false, of(func(e *registry.Endpoints) string { return orNone([]string{e.Service.Name}) })},
		{"ENDPOINTS", false, of(someEndpoints)},
		{"NOT-READY", true, of(func(e *registry.Endpoints) string { return orNone(endpoints(e, false)) })},
		{"VERSION", true, storedAs},
	},
	registry.KindPod: {
		{"NAME", false, name},
		{"STATUS", false, of(podStatus)},
		{"IP", false, of(func(p *registry.Pod) string { return orNone(texts(p.IPs)) })},
		{"NODE", false, of(func(p *registry.Pod) string { return orNone([]string{p.Node}) })},
		{"LABELS", true, labels},
		{"VERSION", true, storedAs},
	},
	registry.KindNode: {
		{"NAME", false, name},
		{"STATUS", false, of(func(n *registry.Node) string { return readiness(n.Ready) })},
		{"ADDRESSES", false, of(func(n *registry.Node) string { return orNone(texts(n.IPs)) })},
		{"ZONE", true, of(func(n *registry.Node) string { return orNone([]string{n.Zone}) })},
		{"VERSION", true, storedAs},
	},
	registry.KindNamespace: {
		{"NAME", false, name},
		{"LABELS", false, labels},
		{"VERSION", true, storedAs},
	},
	registry.KindServiceCIDR: {
		{"NAME", false, name},
		{"NETWORKS", false, of(func(c *registry.ServiceCIDR) string { return orNone(texts(c.Prefixes)) })},
	},
	registry.KindIPAddress: {
		{"NAME", false, name},
		{"SERVICE", false, of(func(a *registry.IPAddress) string { return orNone([]string{a.Service.String()}) })},
	},
}

// of makes a column's text out of a function on one type of object.
func of[O registry.Object](text func(O) string) func(item) string {
	return func(it item) string { return text(it.Object.(O)) }
}

func name(it item) string { return it.Ref().Name }

func labels(it item) string { return pairs(it.Metadata().Labels) }

// storedAs says in which version and encoding an object is stored.
func storedAs(it item) string {
	if it.Metadata().Protobuf {
		return it.Metadata().APIVersion + " protobuf"
	}
	return it.Metadata().APIVersion
}

func portalIP(s *registry.Service) string {
	if s.Headless {
		return "None"
	}
	return orNone(texts(s.PortalIPs))
}

func publicIP(s *registry.Service) string {
	if s.Type == registry.ExternalName {
		return s.ExternalName
	}
	return orNone(texts(slices.Concat(s.PublicIPs, s.LoadBalancerIPs)))
}

// servicePorts lists a service's ports as kubectl does: "80:30080/TCP".
func servicePorts(s *registry.Service) string {
	var list []string
	for _, p := range s.Ports {
		text := strconv.Itoa(int(p.Port))
		if p.NodePort != 0 {
			text += ":" + strconv.Itoa(int(p.NodePort))
		}
		list = append(list, text+"/"+string(p.Protocol))
	}
	return orNone(list)
}

func selector(s *registry.Service) string {
	if s.Selector != nil && len(s.Selector) == 0 {
		return "<all pods>"
	}
	return pairs(s.Selector)
}

// maxShown is how many endpoints a table shows of an object.
const maxShown = 3

func someEndpoints(e *registry.Endpoints) string {
	list := endpoints(e, true)
	if more := len(list) - maxShown; more > 0 {
		return strings.Join(list[:maxShown], ",") + fmt.Sprintf(" + %d more...", more)
	}
	return orNone(list)
}

// endpoints lists the endpoints that are ready, or those that aren't, with
// each of their ports.
func endpoints(e *registry.Endpoints, ready bool) []string {
	var list []string
	for _, subset := range e.Subsets {
		for _, endpoint := range subset.Endpoints {
			if endpoint.Ready != ready {
				continue
			}
			host := endpoint.Host
			if endpoint.Addr.IsValid() {
				host = endpoint.Addr.String()
			}
			for _, port := range subset.Ports {
				list = append(list, net.JoinHostPort(host, strconv.Itoa(int(port.Port))))
			}
			if len(subset.Ports) == 0 {
				list = append(list, host)
			}
		}
	}
	return list
}

func podStatus(p *registry.Pod) string {
	switch {
	case p.Finished:
		return "Finished"
	case p.Terminating:
		return "Terminating"
	}
	return readiness(p.Ready)
}

func readiness(ready bool) string {
	if ready {
		return "Ready"
	}
	return "NotReady"
}

func texts[T netip.Addr | netip.Prefix](list []T) []string {
	var all []string
	for _, v := range list {
		all = append(all, fmt.Sprint(v))
	}
	return all
}

// pairs lists a map as a label selector does: "app=web,tier=front".
func pairs(m map[string]string) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, k+"="+m[k])
	}
	return orNone(list)
}

func orNone(list []string) string {
	if text := strings.Join(list, ","); text != "" {
		return text
	}
	return "<none>"
}
