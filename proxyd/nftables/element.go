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
func key(at rules.Frontend) string {
	b := appendAddr(make([]byte, 0, 24), at.Addr)
	b = append(b, protocols[at.Protocol], 0, 0, 0)
	return string(appendPort(b, at.Port))
}

// keyLen is how long that is.
func keyLen(f rules.Family) int {
	if f == rules.IPv6 {
		return 24
	}
	return 12
}

func appendAddr(b []byte, a netip.Addr) []byte {
	if a.Is4() {
		four := a.As4()
		return append(b, four[:]...)
	}
	sixteen := a.As16()
	return append(b, sixteen[:]...)
}

func appendPort(b []byte, port uint16) []byte {
	return append(binary.BigEndian.AppendUint16(b, port), 0, 0)
}

// number returns a class, slot or id: the kernel has them in its own order of
// bytes.
func number[N ~uint32](n N) string {
	return string(binary.NativeEndian.AppendUint32(make([]byte, 0, 4), uint32(n)))
}

// address returns an endpoint as the maps have it.
func address(at netip.AddrPort) string {
	return string(appendPort(appendAddr(make([]byte, 0, 20), at.Addr()), at.Port()))
}

// elements yields all elements of a rule but for those of hairpin.
func elements(r *rules.Rule, yield func(element)) {
	k := key(r.Frontend)
	node := r.IsNodePort()
	inner, out := classes(r)
	target(k, &r.Target, inner, r.Affinity, yield)
	c := inner
	variant := func(fixed class) class {
		if node {
			fixed |= nodeBit
		}
		return fixed
	}
	if r.Outside != nil {
		target(k, r.Outside, out, r.Affinity, yield)
		yield(element{set: inside, key: k, value: number(inner)})
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

// classes returns those of a rule's targets.
func classes(r *rules.Rule) (inner, out class) {
	of := portal
	if r.External {
		of = external
	}
	inner = classOf(&r.Target, of, r)
	if r.Outside != nil {
		out = classOf(r.Outside, outside, r)
	}
	return inner, out
}

func classOf(t *rules.Target, of kind, r *rules.Rule) class {
	switch {
	case len(t.Backends) == 0 && t.Drop:
		return drop
	case len(t.Backends) == 0:
		return refuse
	}
	return newClass(of, t.Slots(), r.Affinity, r.IsNodePort())
}

// target yields the elements of a target's slots.
func target(k string, t *rules.Target, c class, affinity time.Duration, yield func(element)) {
	slot := uint32(0)
	if c.kind() == outside {
		slot = outsideSlots
	}
	var taken map[uint32]bool
	if affinity > 0 {
		taken = make(map[uint32]bool, len(t.Backends))
	}
	for _, b := range t.Backends {
		set, value := endpoints, address(b.AddrPort)
		if affinity > 0 {
			id := number(identity(value, c.kind(), taken))
			yield(element{set: sticky, key: k + id, value: value})
			set, value = picks, id
		}
		for range b.Weight {
			yield(element{set: set, key: k + number(slot), value: value})
			slot++
		}
	}
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
			pair := appendAddr(appendAddr(make([]byte, 0, 32), b.Addr()), b.Addr())
			yield(element{set: hairpin, key: string(pair)})
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
