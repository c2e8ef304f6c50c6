package codec

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/svcreg/svcreg/registry"
)

func (c *conversion) pod(meta registry.Meta, o *corev1.Pod) *registry.Pod {
	p := &registry.Pod{
		Meta:        meta,
		Node:        o.Spec.NodeName,
		Terminating: o.DeletionTimestamp != nil,
		Finished:    o.Status.Phase == corev1.PodSucceeded || o.Status.Phase == corev1.PodFailed,
		Hostname:    o.Spec.Hostname,
		Subdomain:   o.Spec.Subdomain,
	}
	if o.Status.HostIP != "" {
		p.HostIP = c.addr(at("status.hostIP"), o.Status.HostIP)
	}
	c.podIPs(p, o)
	for _, condition := range o.Status.Conditions {
		if condition.Type == corev1.PodReady {
			p.Ready = condition.Status == corev1.ConditionTrue
		}
	}
	for i := range o.Spec.Containers {
		path := index("spec.containers", i) + ".ports"
		for j, port := range o.Spec.Containers[i].Ports {
			p.Ports = append(p.Ports, registry.ContainerPort{
				Name:     port.Name,
				Protocol: protocol(port.Protocol),
				Port:     c.port(in(path, j, ".containerPort"), port.ContainerPort),
			})
		}
	}
	return p
}

// podIPs reads podIP, which came first, and podIPs, which repeats it.
func (c *conversion) podIPs(p *registry.Pod, o *corev1.Pod) {
	if o.Status.PodIP != "" {
		p.IPs = c.appendAddr(p.IPs, at("status.podIP"), o.Status.PodIP)
	}
	for i, ip := range o.Status.PodIPs {
		p.IPs = c.appendAddr(p.IPs, in("status.podIPs", i, ".ip"), ip.IP)
	}
}

// appendAddr appends an address that the list has not yet.
func (c *conversion) appendAddr(list []netip.Addr, where place, text string) []netip.Addr {
	if a := c.addr(where, text); a.IsValid() && !slices.Contains(list, a) {
		return append(list, a)
	}
	return list
}

// zoneLabels say where a node stands; the second is what the first was called
// before Kubernetes 1.17.
var zoneLabels = []string{corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone}

// nodeLegacyHostIP is the type of the one address that a node had in 2015.
const nodeLegacyHostIP corev1.NodeAddressType = "LegacyHostIP"

// nodeAddressTypes are those that hold an IP, inner ones first.
var nodeAddressTypes = []corev1.NodeAddressType{corev1.NodeInternalIP, nodeLegacyHostIP, corev1.NodeExternalIP}

// autoscalerTaint is on a node that the cluster's autoscaler has decided to
// delete.
const autoscalerTaint = "ToBeDeletedByClusterAutoscaler"

func (c *conversion) node(meta registry.Meta, o *corev1.Node) *registry.Node {
	marked := func(t corev1.Taint) bool { return t.Key == autoscalerTaint }
	n := &registry.Node{Meta: meta, Leaving: o.DeletionTimestamp != nil || slices.ContainsFunc(o.Spec.Taints, marked)}
	for _, t := range nodeAddressTypes {
		for i, a := range o.Status.Addresses {
			if a.Type == t {
				n.IPs = c.appendAddr(n.IPs, in("status.addresses", i, ".address"), a.Address)
			}
		}
	}
	for _, label := range zoneLabels {
		if zone := o.Labels[label]; zone != "" && n.Zone == "" {
			n.Zone = zone
		}
	}
	for _, condition := range o.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			n.Ready = condition.Status == corev1.ConditionTrue
		}
	}
	return n
}

func (c *conversion) serviceCIDR(meta registry.Meta, o *networkingv1.ServiceCIDR) *registry.ServiceCIDR {
	return &registry.ServiceCIDR{Meta: meta, Prefixes: c.prefixes("spec.cidrs", o.Spec.CIDRs)}
}

func (c *conversion) ipAddress(meta registry.Meta, o *networkingv1.IPAddress) *registry.IPAddress {
	a := &registry.IPAddress{Meta: meta, Addr: c.addr(at("metadata.name"), meta.Name)}
	if parent := o.Spec.ParentRef; parent != nil && parent.Group == "" && parent.Resource == "services" && parent.Name != "" {
		a.Service = registry.Key{Namespace: parent.Namespace, Name: parent.Name}
	}
	return a
}
