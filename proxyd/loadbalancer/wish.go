package loadbalancer

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcreg/svcreg/proxyd/loadbalancer/pool"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// wish is what a stored service wants of a load balancer.
type wish struct {
	service *registry.Service // nil where there is none
	// mine says that it wants addresses from here; foreign that it is another
	// balancer's.
	mine, foreign bool
	wanted        []netip.Addr
	problems      []string // what it says that can't be read
}

// newWish reads a document, which may be nil.
func newWish(d *codec.Document) (*wish, error) {
	if d == nil {
		return &wish{}, nil
	}
	object, err := d.Object()
	if err != nil {
		return nil, err
	}
	w := &wish{service: object.(*registry.Service)}
	if w.service.Type != registry.LoadBalancer {
		return w, nil
	}
	balancing := d.Balancing()
	w.mine = balancing.Class == "" || balancing.Class == Class
	w.foreign = !w.mine
	if w.mine {
		w.readWanted(balancing.IP)
	}
	return w, nil
}

// readWanted reads which addresses the service asks for.
func (w *wish) readWanted(ip string) {
	field, text := "annotation "+AddressAnnotation, w.service.Annotations[AddressAnnotation]
	if text == "" {
		field, text = "loadBalancerIP", ip
	}
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		a, err := netip.ParseAddr(part)
		if err != nil || a.Zone() != "" {
			w.problems = append(w.problems, fmt.Sprintf("%s: %q: want an IP address", field, part))
			continue
		}
		w.wanted = append(w.wanted, a.Unmap())
	}
}

// request returns what the service asks the pools for.
func (w *wish) request() pool.Request {
	s := w.service
	r := pool.Request{
		Wanted: w.wanted,
		Has:    s.LoadBalancerIPs,
		Holder: pool.Holder{Namespace: s.Namespace, Name: s.Name, Ports: pool.Ports(s.Ports), Share: s.Annotations[ShareAnnotation]},
	}
	if s.APIVersion != "v1" {
		r.Has = slices.Concat(s.LoadBalancerIPs, s.PublicIPs)
	}
	if s.ExternalLocal {
		r.Holder.Share = "" // where it leads depends on who announces it
	}
	for _, a := range s.PortalIPs {
		if !slices.Contains(r.Families, a.Is4()) {
			r.Families = append(r.Families, a.Is4())
		}
	}
	return r
}
