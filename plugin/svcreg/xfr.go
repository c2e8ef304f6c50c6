package svcreg

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/coredns/coredns/plugin/transfer"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
)

var _ transfer.Transferer = (*handler)(nil) //nolint:misspell // it is called that

// transferBatch is about how many records go to the transfer plugin at once.
const transferBatch = 500

// Transfer implements the transfer plugin's interface: all records of a zone
// at one revision of the registry, or its SOA record alone for whoever has that
// serial, or a later one, already. A zone whose registry isn't known yet is an
// error. Whoever calls must read the channel to its end, as transfer does even
// when the client has gone.
func (h *handler) Transfer(name string, serial uint32) (<-chan []dns.RR, error) {
	i, z, below := h.match(name, 0)
	if z == nil || below != "" {
		return nil, transfer.ErrNotAuthoritative
	}
	x := h.stanzas[i].index.Load()
	if x == nil {
		return nil, fmt.Errorf("transfer of zone %s: the registry is not known yet", name)
	}
	ch := make(chan []dns.RR, 1)
	if o := &x.origins[z.number]; serial != 0 && !newer(o.serial(), serial) {
		ch <- o.soa
		close(ch)
		return ch, nil
	}
	visible := func(owner string) bool { // not in a zone below this one
		_, longest, _ := h.match(owner, 0)
		return longest == z
	}
	go func() {
		defer close(ch)
		for batch := range batches(x.zone(z, visible)) {
			ch <- batch
		}
	}()
	return ch, nil
}

// newer reports whether a serial comes after another one (RFC 1982 section
// 3.2).
func newer(serial, other uint32) bool { return int32(serial-other) > 0 }

func (o *origin) serial() uint32 { return o.soa[0].(*dns.SOA).Serial }

// batches yields a few hundred records at a time.
func batches(records iter.Seq[[]dns.RR]) iter.Seq[[]dns.RR] {
	return func(yield func([]dns.RR) bool) {
		var batch []dns.RR
		for r := range records {
			if batch = append(batch, r...); len(batch) < transferBatch {
				continue
			}
			if !yield(batch) {
				return
			}
			batch = nil
		}
		yield(batch)
	}
}

// zone yields the records of a zone as a transfer has them, those of one name
// at a time: its SOA record at both ends. Names that are not visible are left
// out.
func (x *index) zone(z *zone, visible func(owner string) bool) iter.Seq[[]dns.RR] {
	return func(yield func([]dns.RR) bool) {
		o := &x.origins[z.number]
		begin := slices.Concat(o.soa, o.apex.all[:1], o.apex.extra, o.version.all)
		if !yield(begin) {
			return
		}
		for owner, n := range x.all(z) {
			if visible(owner) && !yield(recordsOf(n, owner, x.ttl)) {
				return
			}
		}
		yield(o.soa)
	}
}

// recordsOf returns all records that a name has itself.
func recordsOf(n subject, owner string, ttl uint32) []dns.RR {
	var all []dns.RR
	for _, qtype := range [...]uint16{dns.TypeA, dns.TypeAAAA, dns.TypeSRV, dns.TypePTR} {
		answer, _ := n.records(owner, qtype, ttl)
		all = append(all, answer...)
		if len(answer) > 0 && answer[0].Header().Rrtype == dns.TypeCNAME {
			break // it is the same for every type
		}
	}
	return all
}

// all yields the names in a zone that are there because of the registry, and
// what stands at them: services in the order of their keys, then addresses in
// their own.
func (x *index) all(z *zone) iter.Seq2[string, subject] {
	return func(yield func(string, subject) bool) {
		switch _, withArpa := z.below("arpa."); {
		case z.sort == publicZone:
			x.allServices(z, x.public.services, true, yield)
		case z.sort == reverseZone:
			x.allAddresses(z, yield)
		case x.allServices(z, x.services, x.shortNames, yield) && withArpa:
			x.allAddresses(z, yield)
		}
	}
}

// allServices yields the names of services and of what is below them, but for
// those at which something else stands: a service of the namespace "svc" is
// less than the label.
func (x *index) allServices(z *zone, services registry.Map[registry.Key, *service], short bool, yield func(string, subject) bool) bool {
	seen := func(name string, n subject) bool {
		below, ok := z.below(name)
		return !ok || x.find(z, name, below) != n || yield(name, n)
	}
	for _, k := range keysOf(services) {
		s, _ := services.Get(k)
		if !s.all(canonical(k, z.name), seen) {
			return false
		}
		if short && !s.all(join(k.Name+"."+k.Namespace, z.name), seen) {
			return false
		}
	}
	return true
}

func keysOf(services registry.Map[registry.Key, *service]) []registry.Key {
	keys := make([]registry.Key, 0, services.Len())
	for k := range services.All() {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, registry.Key.Compare)
	return keys
}

// allAddresses yields the reverse names in a zone.
func (x *index) allAddresses(z *zone, yield func(string, subject) bool) {
	for _, addr := range x.addresses() {
		name, err := dns.ReverseAddr(addr.String())
		if err != nil {
			continue // never: it is an address
		}
		below, ok := z.below(name)
		if !ok {
			continue
		}
		if n := x.find(z, name, below); n != nil && !yield(name, n) {
			return
		}
	}
}

// addresses returns all addresses that may have a name, each once.
func (x *index) addresses() []netip.Addr {
	var addrs []netip.Addr
	for _, s := range x.services.All() {
		addrs = append(addrs, s.addrs...)
	}
	for _, s := range x.public.services.All() {
		addrs = append(addrs, s.addrs...)
	}
	slices.SortFunc(addrs, netip.Addr.Compare)
	return slices.Compact(addrs)
}
