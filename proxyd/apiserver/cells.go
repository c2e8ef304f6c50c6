package apiserver

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/svcreg/svcreg/registry"
)

func serviceCells(o registry.Object) []any {
	s := o.(*registry.Service)
	selector := none
	if len(s.Selector) > 0 {
		selector = labels.FormatLabels(s.Selector)
	}
	return []any{serviceType(s), cmp.Or(portalIP(s), none), outsideOf(s), portsOf(s), ageOf(o), selector}
}

// ageOf returns how old an object is, as kubectl prints it.
func ageOf(o registry.Object) string {
	created := o.Metadata().Created
	if created == 0 {
		return unknown
	}
	return since(time.Unix(created, 0))
}

func serviceType(s *registry.Service) string { return string(cmp.Or(s.Type, registry.ClusterIP)) }

// portalIP returns the first portal IP as the API has it.
func portalIP(s *registry.Service) string {
	switch {
	case s.Headless:
		return "None"
	case len(s.PortalIPs) > 0:
		return s.PortalIPs[0].String()
	}
	return ""
}

// outsideOf returns where a service is reached from outside.
func outsideOf(s *registry.Service) string {
	switch {
	case s.Type == registry.ExternalName:
		return s.ExternalName
	case s.Type == registry.LoadBalancer && len(s.LoadBalancerIPs)+len(s.PublicIPs) == 0:
		return "<pending>"
	case s.Type == registry.LoadBalancer:
		return join(slices.Concat(s.LoadBalancerIPs, s.PublicIPs))
	}
	return join(s.PublicIPs)
}

func join[T fmt.Stringer](list []T) string {
	var texts []string
	for _, v := range list {
		texts = append(texts, v.String())
	}
	return cmp.Or(strings.Join(texts, ","), none)
}

func portsOf(s *registry.Service) string {
	var texts []string
	for _, p := range s.Ports {
		text := strconv.Itoa(int(p.Port))
		if p.NodePort > 0 {
			text += ":" + strconv.Itoa(int(p.NodePort))
		}
		texts = append(texts, text+"/"+string(p.Protocol))
	}
	return cmp.Or(strings.Join(texts, ","), none)
}

// few joins the first of a list, three as everywhere in kubectl's tables.
func few(texts []string, empty string) string {
	const most = 3
	switch n := len(texts); {
	case n == 0:
		return empty
	case n > most:
		return fmt.Sprintf("%s + %d more...", strings.Join(texts[:most], ","), n-most)
	}
	return strings.Join(texts, ",")
}

func endpointsCells(o registry.Object) []any {
	var texts []string
	for _, s := range o.(*registry.Endpoints).Subsets {
		var ready []string
		for i := range s.Endpoints {
			if s.Endpoints[i].Ready {
				ready = append(ready, host(&s.Endpoints[i]))
			}
		}
		if len(s.Ports) == 0 {
			texts = append(texts, ready...)
		}
		for _, p := range s.Ports {
			for _, address := range ready {
				texts = append(texts, net.JoinHostPort(address, strconv.Itoa(int(p.Port))))
			}
		}
	}
	return []any{few(texts, none), ageOf(o)}
}

func host(e *registry.Endpoint) string {
	if e.Host != "" {
		return e.Host
	}
	return e.Addr.String()
}

func sliceCells(o registry.Object) []any {
	family := "IPv4"
	var ports, addresses []string
	for _, s := range o.(*registry.Endpoints).Subsets {
		for _, p := range s.Ports {
			ports = append(ports, strconv.Itoa(int(p.Port)))
		}
		for i := range s.Endpoints {
			e := &s.Endpoints[i]
			addresses = append(addresses, host(e))
			switch {
			case e.Host != "":
				family = "FQDN"
			case e.Addr.Is6():
				family = "IPv6"
			}
		}
	}
	return []any{family, few(ports, unset), few(addresses, unset), ageOf(o)}
}

func namespaceCells(o registry.Object) []any { return []any{"Active", ageOf(o)} }

func podPhase(p *registry.Pod) string {
	if p.Finished {
		return "Succeeded"
	}
	return "Running"
}

// podCells counts a pod as one container: the model knows only whether it is
// ready as a whole.
func podCells(o registry.Object) []any {
	p := o.(*registry.Pod)
	ready, status, ip := "0/1", podPhase(p), none
	if p.Ready {
		ready = "1/1"
	}
	if p.Terminating {
		status = "Terminating"
	}
	if len(p.IPs) > 0 {
		ip = p.IPs[0].String()
	}
	return []any{ready, status, "0", ageOf(o), ip, cmp.Or(p.Node, none), none, none}
}

func nodeCells(o registry.Object) []any {
	n := o.(*registry.Node)
	status, ip := "NotReady", none
	if n.Ready {
		status = "Ready"
	}
	if len(n.IPs) > 0 {
		ip = n.IPs[0].String()
	}
	var roles []string
	for label := range n.Labels {
		if role, ok := strings.CutPrefix(label, "node-role.kubernetes.io/"); ok && role != "" {
			roles = append(roles, role)
		}
	}
	slices.Sort(roles)
	return []any{status, cmp.Or(strings.Join(roles, ","), none), ageOf(o), "", ip, none, unknown, unknown, unknown}
}
