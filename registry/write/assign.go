package write

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// claim is a portal IP that a service takes.
type claim struct {
	addr netip.Addr
	leak *leak // the IPAddress object to take over; nil where there is none
}

// assign decides which portal IPs a service takes beside those it had: the
// others it names, and one of each family it lacks. The latter it writes into
// the document.
func (w *Writer) assign(ctx context.Context, v *view, d *codec.Document, had []netip.Addr) ([]claim, error) {
	object, err := d.Object()
	if err != nil {
		return nil, err
	}
	service := object.(*registry.Service)
	switch {
	case service.Headless || service.IsAlias():
		return nil, nil
	case service.Type == registry.ExternalName && w.opts.WriteToKubernetes && (!v.owned || v.apiserver != ""):
		d.SetPortalIPs() // an apiserver has none of this type
		return nil, nil
	}
	networks, err := v.networks(w.layout)
	if err != nil {
		return nil, err
	}
	named := slices.DeleteFunc(slices.Clone(service.PortalIPs), func(a netip.Addr) bool { return slices.Contains(had, a) })
	claims, err := w.claimNamed(ctx, v, networks, named)
	if err != nil {
		return nil, err
	}
	missing, err := missingFamilies(d, networks, service.PortalIPs, singleStack)
	if err != nil || len(missing) == 0 {
		return claims, err
	}
	more, err := w.claimMissing(ctx, v, d, networks, service.PortalIPs, missing)
	return append(claims, more...), err
}

// claimMissing claims an address of each family that is missing beside those
// present, and writes all into the document.
func (w *Writer) claimMissing(ctx context.Context, v *view, d *codec.Document, networks []netip.Prefix, present []netip.Addr, missing []family) ([]claim, error) {
	var claims []claim
	addrs := slices.Clone(present)
	for _, f := range missing {
		c, err := w.claimAny(ctx, v, slices.DeleteFunc(slices.Clone(networks), func(p netip.Prefix) bool { return familyOf(p.Addr()) != f }))
		if err != nil {
			return nil, err
		}
		claims, addrs = append(claims, c), append(addrs, c.addr)
	}
	d.SetPortalIPs(addrs...)
	return claims, nil
}

// claimNamed claims the addresses that a service names. Where there is no
// portal network it may name any.
func (w *Writer) claimNamed(ctx context.Context, v *view, networks []netip.Prefix, named []netip.Addr) ([]claim, error) {
	var claims []claim
	for _, addr := range named {
		offered := func(p netip.Prefix) bool { return network{p}.offers(addr) }
		if len(networks) > 0 && !slices.ContainsFunc(networks, offered) {
			return nil, &OutsideError{addr, networks}
		}
		err := w.ledger.at(ctx, v.revision, func() error {
			if holder, held := w.ledger.holders[addr]; held {
				return &TakenError{addr, holder}
			}
			claims = append(claims, claim{addr, w.ledger.leaks[addr]})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return claims, nil
}

// claimAny claims a free address of the first network that has one.
func (w *Writer) claimAny(ctx context.Context, v *view, networks []netip.Prefix) (claim, error) {
	var c claim
	err := w.ledger.at(ctx, v.revision, func() error {
		held := func(a netip.Addr) bool { _, held := w.ledger.holders[a]; return held }
		for _, prefix := range networks {
			if addr, ok := (network{prefix}).pick(held, w.random); ok {
				c = claim{addr, w.ledger.leaks[addr]}
				return nil
			}
		}
		last := network{networks[len(networks)-1]}
		return &FullError{last.Prefix, last.size()}
	})
	return c, err
}

// missingFamilies returns the families of which a service is to get an
// address. The policy is that of a service which has none of its own.
func missingFamilies(d *codec.Document, networks []netip.Prefix, present []netip.Addr, policy string) ([]family, error) {
	text, err := d.JSON()
	if err != nil {
		return nil, err
	}
	var service struct {
		Spec wish `json:"spec"`
	}
	if err := json.Unmarshal(text, &service); err != nil {
		return nil, fmt.Errorf("spec: %w", err)
	}
	if len(service.Spec.Families) == 0 {
		service.Spec.Policy = cmp.Or(service.Spec.Policy, policy)
	}
	var bases []netip.Addr
	for _, n := range networks {
		bases = append(bases, n.Addr())
	}
	return service.Spec.missing(familiesOf(bases...), familiesOf(present...))
}
