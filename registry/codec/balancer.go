package codec

import (
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Balancing is what a Service document asks of whoever gives addresses to load
// balancers. The model has no room for it, as nobody else asks.
type Balancing struct {
	// Class is spec.loadBalancerClass: who is to give the address; empty for
	// anybody.
	Class string
	// IP is spec.loadBalancerIP as it was written: the address that is wanted;
	// empty for any.
	IP string
	// NodePorts says that spec.allocateLoadBalancerNodePorts is true: whoever
	// balances reaches the service at node ports.
	NodePorts bool
}

// Balancing returns what a Service document asks for.
func (d *Document) Balancing() Balancing {
	o, ok := newConversion("", d.ref).readTyped(d).(*corev1.Service)
	if !ok {
		return Balancing{}
	}
	b := Balancing{IP: o.Spec.LoadBalancerIP}
	if class := o.Spec.LoadBalancerClass; class != nil {
		b.Class = *class
	}
	if asked := o.Spec.AllocateLoadBalancerNodePorts; asked != nil {
		b.NodePorts = *asked
	}
	return b
}

// ReplaceBalancerIPs takes addresses out of a Service that a load balancer gave
// it, puts others in, and leaves everything else as it is: in a stored value
// byte for byte. They stand in
// status.loadBalancer.ingress in v1, and among the publicIPs in the versions
// before.
func (d *Document) ReplaceBalancerIPs(out, in []netip.Addr) {
	if d.version == v1 {
		d.replaceIngress(out, in)
		return
	}
	place, field := d.spec(), "publicIPs"
	if list, ok := place.get("deprecatedPublicIPs").([]any); ok && len(list) > 0 {
		field = "deprecatedPublicIPs" // which wins where both stand
	}
	list, _ := place.get(field).([]any)
	d.replaceIn(place, field, list, out, in, func(v any) any { return v }, func(a netip.Addr) any { return a.String() })
}

// replaceIngress is ReplaceBalancerIPs in v1.
func (d *Document) replaceIngress(out, in []netip.Addr) {
	status, _ := d.tree.peek("status")
	if _, ok := status.peek("loadBalancer"); !ok && len(in) == 0 {
		return
	}
	place := d.tree.child("status").child("loadBalancer")
	list, _ := place.get("ingress").([]any)
	ip := func(v any) any {
		entry, _ := v.(map[string]any)
		return tree(entry).get("ip")
	}
	d.replaceIn(place, "ingress", list, out, in, ip, func(a netip.Addr) any { return map[string]any{"ip": a.String()} })
}

// replaceIn makes a list anew without some addresses and with others, each of
// them once. Elements that hold no address stay.
func (d *Document) replaceIn(place tree, field string, list []any, out, in []netip.Addr, text func(any) any, element func(netip.Addr) any) {
	kept := make([]any, 0, len(list)+len(in))
	var have []netip.Addr
	for _, v := range list {
		written, _ := text(v).(string)
		a, ok := parseAddr(written)
		if ok && slices.Contains(out, a) && !slices.Contains(in, a) {
			continue
		}
		if ok {
			have = append(have, a)
		}
		kept = append(kept, v)
	}
	for _, a := range in {
		if !slices.Contains(have, a) {
			have, kept = append(have, a), append(kept, element(a))
		}
	}
	if slices.EqualFunc(kept, list, func(a, b any) bool { return text(a) == text(b) }) {
		return
	}
	if d.changed, d.verbatim = true, true; len(kept) == 0 {
		place.remove(field)
		return
	}
	place.set(field, kept)
}
