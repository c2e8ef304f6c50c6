package write

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// given is as much as a Writer reads of who holds a load balancer's address.
// Package proxyd/loadbalancer/pool has the rest.
type given struct {
	Holders []struct{ Namespace, Name string } `json:"holders"`
}

// keepGiven keeps the addresses that proxyd's load balancer gave to a service.
// Since v1 they stand in its status, which Merge carries over; before, they are
// among the publicIPs, where whoever applies a file again doesn't name them.
// They would be back at once, but until then lead nowhere.
func (w *Writer) keepGiven(ctx context.Context, v *view, next, old *codec.Document) error {
	if old == nil || v.ref.Kind != registry.KindService {
		return nil
	}
	was, now := service(old), service(next)
	if now.Type != registry.LoadBalancer {
		return nil
	}
	var kept []netip.Addr
	for _, a := range was.PublicIPs {
		if slices.Contains(now.PublicIPs, a) {
			continue
		}
		mine, err := w.wasGiven(ctx, a, v.ref.Key)
		if err != nil {
			return err
		}
		if mine {
			kept = append(kept, a)
		}
	}
	if len(kept) > 0 {
		next.ReplaceBalancerIPs(nil, kept)
	}
	return nil
}

// service returns the service that a document is, or an empty one where it
// can't be read: what is wrong with it is found elsewhere.
func service(d *codec.Document) *registry.Service {
	if o, err := d.Object(); err == nil {
		return o.(*registry.Service)
	}
	return &registry.Service{}
}

// wasGiven reports whether a service holds a load balancer's address.
func (w *Writer) wasGiven(ctx context.Context, a netip.Addr, service registry.Key) (bool, error) {
	key := w.layout.Prefix() + "/svcreg/addresses/" + a.String()
	response, err := w.client.Get(ctx, key)
	if err != nil {
		return false, fmt.Errorf("read %s: %w", key, err)
	}
	for _, kv := range response.Kvs {
		var g given // empty where it can't be read: then nobody knows
		_ = json.Unmarshal(kv.Value, &g)
		for _, h := range g.Holders {
			if h.Namespace == service.Namespace && h.Name == service.Name {
				return true, nil
			}
		}
	}
	return false, nil
}
