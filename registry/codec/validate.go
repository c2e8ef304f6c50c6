package codec

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/svcreg/svcreg/registry"
)

// Validate makes the checks of a writer, which are stricter than those of a
// reader: names, ports, protocols, duplicates, and addresses that would lead
// somewhere they must not. The error holds a *FieldError for each wrong field.
func (d *Document) Validate() error {
	c := newConversion(d.file, d.ref)
	src := c.readTree(d)
	if src == nil {
		return c.err()
	}
	o := c.object(src)
	c.checkNames(d)
	switch typed := src.typed.(type) {
	case *corev1.Service:
		c.checkService(typed, o.(*registry.Service))
	case *corev1.Endpoints:
		c.checkEndpoints(typed)
	case *discoveryv1.EndpointSlice:
		c.checkSlice(typed)
	case *corev1.Pod:
		c.checkPod(typed)
	case *networkingv1.ServiceCIDR:
		c.checkServiceCIDR(o.(*registry.ServiceCIDR), typed)
	case *networkingv1.IPAddress:
		c.checkIPAddress(typed)
	}
	return c.err()
}

const (
	wantLabel     = "at most 63 lower-case letters, digits and dashes, with no dash at either end"
	wantSubdomain = "labels of lower-case letters, digits and dashes with dots between them, at most 253 characters"
)

// checkNames checks an object's name and namespace. Services may begin with a
// digit, as today's Kubernetes lets them (RFC 1123, where RFC 1035 did not).
func (c *conversion) checkNames(d *Document) {
	switch c.ref.Kind {
	case registry.KindService, registry.KindNamespace:
		c.checkText("metadata.name", c.ref.Name, isLabel, wantLabel)
	case registry.KindIPAddress: // the name is an address
	default:
		c.checkText("metadata.name", c.ref.Name, isSubdomain, wantSubdomain)
	}
	namespace := d.writtenNamespace()
	switch {
	case Namespaced(c.ref.Kind):
		c.checkText("metadata.namespace", c.ref.Namespace, isLabel, wantLabel)
	case namespace != "":
		c.fail("metadata.namespace", namespace, "none: a "+c.ref.Kind.String()+" belongs to no namespace")
	}
}

// writtenNamespace returns the namespace that the document itself names.
func (d *Document) writtenNamespace() string {
	if familyOf(d.version) == flat {
		return d.tree.text("namespace")
	}
	meta, _ := d.tree.peek("metadata")
	return meta.text("namespace")
}

// checkText checks a name of some form.
func (c *conversion) checkText(path, text string, ok func(string) bool, want string) {
	if !ok(text) {
		c.fail(path, text, want)
	}
}

// checkAddr refuses addresses that no service may lead to or stand for: a
// host's own, and those that mean several hosts or none (CVE-2020-8555).
// Text that is no address was reported already.
func (c *conversion) checkAddr(path, text string) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return
	}
	const want = "an address that is not "
	switch a = a.Unmap(); {
	case a.IsUnspecified():
		c.fail(path, text, want+"unspecified")
	case a.IsLoopback():
		c.fail(path, text, want+"loopback")
	case a.IsLinkLocalUnicast():
		c.fail(path, text, want+"link-local")
	case a.IsMulticast():
		c.fail(path, text, want+"multicast")
	}
}

func (c *conversion) checkPod(o *corev1.Pod) {
	for i := range o.Spec.Containers {
		ports := portList{conversion: c, path: index("spec.containers", i) + ".ports", number: "containerPort", mayUnname: true}
		for _, p := range o.Spec.Containers[i].Ports {
			ports.add(p.Name, p.Protocol, p.ContainerPort)
		}
	}
	if o.Status.PodIP != "" {
		c.checkAddr("status.podIP", o.Status.PodIP)
	}
}

func (c *conversion) checkServiceCIDR(o *registry.ServiceCIDR, typed *networkingv1.ServiceCIDR) {
	if len(typed.Spec.CIDRs) == 0 {
		c.fail("spec.cidrs", "", "one network, or one of each address family")
	}
	families := map[bool]bool{}
	for i, p := range o.Prefixes {
		path := index("spec.cidrs", i)
		if families[p.Addr().Is4()] {
			c.fail(path, p.String(), "at most one network of each address family")
		}
		families[p.Addr().Is4()] = true
		if i < len(typed.Spec.CIDRs) && len(o.Prefixes) == len(typed.Spec.CIDRs) && typed.Spec.CIDRs[i] != p.String() {
			c.fail(path, typed.Spec.CIDRs[i], p.String()+", with no bits beyond the prefix")
		}
	}
}

func (c *conversion) checkIPAddress(o *networkingv1.IPAddress) {
	if a, err := netip.ParseAddr(c.ref.Name); err == nil && a.Unmap().String() != c.ref.Name {
		c.fail("metadata.name", c.ref.Name, a.Unmap().String()+", the address in canonical form")
	}
	if p := o.Spec.ParentRef; p == nil || p.Resource == "" || p.Name == "" {
		c.fail("spec.parentRef", "", "the object that the address belongs to")
	}
}
