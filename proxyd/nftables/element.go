package nftables

import (
	"encoding/binary"
	"hash/fnv"
	"net/netip"
	"time"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// setID is one of the maps and sets whose elements are the services.
type setID uint8

const (
	frontends setID = iota
	endpoints
	picks
	sticky
	inside
	outsiders
	admitted
	sources
	hairpin
	numSets
)

// setNames are their names in the kernel.
var setNames = [numSets]string{"frontends", "endpoints", "picks", "sticky", "inside", "outside", "admitted", "sources", "hairpin"}

// element is an element of a map or set, in bytes as the kernel has them: each
// part of a key or value fills whole words of four bytes.
type element struct {
	set setID
	// key is the element's key, end that of the end of an interval or empty.
	key, end string
	// value is what a map has for the key; of sets it is empty.
	value string
}

// key returns the part that the keys of all elements of a frontend begin with.
func key(at rules.Frontend) []byte {
	b := append(make([]byte, 0, 40), at.Addr.AsSlice()...)
	b = append(b, protocols[at.Protocol], 0, 0, 0)
	return appendPort(b, at.Port)
}

// keyLen is how long that is.
func (f Family) keyLen() int {
	if f == IPv6 {
		return 24
	}
	return 12
}

func appendPort(b []byte, port uint16) []byte {
	return append(binary.BigEndian.AppendUint16(b, port), 0, 0)
}

// number returns a class, slot or id: the kernel has them in its own order of
// bytes.
func number[N ~uint32](n N) string {
	return string(binary.NativeEndian.AppendUint32(nil, uint32(n)))
}

// address returns an endpoint as the maps have it.
func address(at netip.AddrPort) string {
	return string(appendPort(at.Addr().AsSlice(), at.Port()))
}

// elements yields all elements of a rule but for those of hairpin.
func elements(r *rules.Rule, yield func(element)) {
	k := string(key(r.Frontend))
	node := r.IsNodePort()
	inner := portal
	if r.External {
		inner = external
	}
	c := target(k, &r.Target, inner, r.Affinity, node, yield)
	variant := func(fixed class) class {
		if node {
			fixed |= nodeBit
		}
		return fixed
	}
	if r.Outside != nil {
		out := target(k, r.Outside, outside, r.Affinity, node, yield)
		yield(element{set: inside, key: k, value: number(c)})
		yield(element{set: outsiders, key: k, value: number(out)})
		c = variant(split)
	}
	if r.Sources != nil {
		for _, p := range r.Sources {
			first, last := span(p)
			yield(element{set: sources, key: k + first, end: k + last})
		}
		yield(element{set: admitted, key: k, value: number(c)})
		c = variant(limited)
	}
	yield(element{set: frontends, key: k, value: number(c)})
}

// target yields the elements of a target's slots, and returns its class.
func target(k string, t *rules.Target, of kind, affinity time.Duration, node bool, yield func(element)) class {
	switch {
	case len(t.Backends) == 0 && t.Drop:
		return drop
	case len(t.Backends) == 0:
		return refuse
	}
	slot := uint32(0)
	if of == outside {
		slot = outsideSlots
	}
	first := slot
	taken := map[uint32]bool{}
	for _, b := range t.Backends {
		set, value := endpoints, address(b.AddrPort)
		if affinity > 0 {
			id := number(identity(value, of, taken))
			yield(element{set: sticky, key: k + id, value: value})
			set, value = picks, id
		}
		for range b.Weight {
			yield(element{set: set, key: k + number(slot), value: value})
			slot++
		}
	}
	return newClass(of, int(slot-first), affinity, node)
}

// identity returns an endpoint's id: one that is neither a class nor a slot,
// tells endpoints for clients outside from the others, and is the same as long
// as the endpoint is there. Of two that would have the same, the second one has
// the next.
func identity(endpoint string, of kind, taken map[uint32]bool) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(endpoint)) // never fails
	for n := h.Sum32(); ; n++ {
		id := 1<<31 | n&(1<<30-1)
		if of == outside {
			id |= 1 << 30
		}
		if !taken[id] {
			taken[id] = true
			return id
		}
	}
}

// hairpins yields the elements by which connections of endpoints to themselves
// are known, once they are translated.
func hairpins(r *rules.Rule, yield func(element)) {
	each := func(t *rules.Target) {
		for _, b := range t.Backends {
			a := string(b.Addr().AsSlice())
			yield(element{set: hairpin, key: a + a})
		}
	}
	each(&r.Target)
	if r.Outside != nil {
		each(r.Outside)
	}
}

// span returns the first and the last address of a network.
func span(p netip.Prefix) (first, last string) {
	a := p.Masked().Addr().AsSlice()
	first = string(a)
	for i := range a {
		if host := 8*(i+1) - p.Bits(); host > 0 {
			a[i] |= byte(1<<min(host, 8) - 1)
		}
	}
	return first, string(a)
}
