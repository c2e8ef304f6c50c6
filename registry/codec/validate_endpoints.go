package codec

import (
	"net/netip"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
)

func (c *conversion) checkEndpoints(o *corev1.Endpoints) {
	for i := range o.Subsets {
		path, subset := index("subsets", i), &o.Subsets[i]
		c.checkAddresses(path+".addresses", subset.Addresses)
		c.checkAddresses(path+".notReadyAddresses", subset.NotReadyAddresses)
		if len(subset.Addresses)+len(subset.NotReadyAddresses) == 0 {
			c.fail(path+".addresses", "", "at least one address")
		}
		ports := portList{conversion: c, path: path + ".ports", number: "port", mayUnname: len(subset.Ports) == 1, mayRepeat: true}
		for _, p := range subset.Ports {
			ports.add(p.Name, p.Protocol, p.Port)
		}
	}
}

func (c *conversion) checkAddresses(path string, list []corev1.EndpointAddress) {
	for i, a := range list {
		at := index(path, i)
		c.checkAddr(at+".ip", a.IP)
		c.checkHostname(at+".hostname", a.Hostname)
	}
}

func (c *conversion) checkHostname(path, name string) {
	if name != "" {
		c.checkText(path, name, isLabel, wantLabel)
	}
}

func (c *conversion) checkSlice(o *discoveryv1.EndpointSlice) {
	if o.AddressType == "" {
		c.fail("addressType", "", "IPv4, IPv6 or FQDN")
	}
	for i := range o.Endpoints {
		path, endpoint := index("endpoints", i), &o.Endpoints[i]
		if len(endpoint.Addresses) == 0 {
			c.fail(path+".addresses", "", "at least one address")
		}
		for j, text := range endpoint.Addresses {
			at := index(path+".addresses", j)
			c.checkAddr(at, text)
			c.checkFamily(at, o.AddressType, text)
		}
		c.checkHostname(path+".hostname", value(endpoint.Hostname))
	}
	ports := portList{conversion: c, path: "ports", number: "port", mayUnname: len(o.Ports) == 1, mayRepeat: true}
	for _, p := range o.Ports {
		ports.add(value(p.Name), value(p.Protocol), value(p.Port))
	}
}

// checkFamily checks that an address is what its slice says all are.
func (c *conversion) checkFamily(path string, t discoveryv1.AddressType, text string) {
	a, err := netip.ParseAddr(text)
	if err != nil {
		return
	}
	if t == discoveryv1.AddressTypeIPv4 && !a.Is4() || t == discoveryv1.AddressTypeIPv6 && !a.Is6() {
		c.fail(path, text, "an "+string(t)+" address")
	}
}
