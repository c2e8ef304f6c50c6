package registry

import (
	"hash/maphash"
	"iter"
	"math/bits"
	"slices"
)

// Map is an immutable hash map. With and Without return a changed map that
// shares everything else with the receiver, at a cost that grows with the
// logarithm of the size; Get allocates nothing. The zero Map is empty.
//
// It is a compressed hash array mapped trie (Steindorfer and Vinju,
// "Optimizing Hash-Array Mapped Tries", 2015): nodes hold entries and children
// apart, so that the upper nodes, which every change copies, are small.
type Map[K comparable, V any] struct {
	root  *mapNode[K, V]
	len   int
	owner *owner // nil but between Edit and Done
}

// mapNode has, for each value of the next five bits of a hash, an entry, or a
// child with the entries that share them, or neither. Both lists are in the
// order of the bits. Below the last level, where the hash is used up, there
// are only entries, in any order, and both bit sets are empty.
type mapNode[K comparable, V any] struct {
	entryBits, childBits uint32
	entries              []mapEntry[K, V]
	children             []*mapNode[K, V]
	// owner may still change the node in place; nobody else has seen it.
	owner *owner
}

// owner is whoever makes many changes before anybody sees the result. Its
// identity is its address. A nil owner copies all that it changes.
type owner struct{ _ byte }

type mapEntry[K comparable, V any] struct {
	key   K
	value V
}

const (
	levelBits = 5
	hashBits  = 64
)

var mapSeed = maphash.MakeSeed()

func hashOf[K comparable](k K) uint64 { return maphash.Comparable(mapSeed, k) }

// bitAt returns the bit that stands for a hash in a node at a depth; zero below
// the last level.
func bitAt(hash uint64, shift uint) uint32 {
	if shift >= hashBits {
		return 0
	}
	return 1 << (hash >> shift & (1<<levelBits - 1))
}

// position returns how many bits are set below a bit.
func position(set, bit uint32) int { return bits.OnesCount32(set & (bit - 1)) }

// Len returns the number of entries.
func (m Map[K, V]) Len() int { return m.len }

// Get returns the value at k, and whether there is one.
func (m Map[K, V]) Get(k K) (value V, ok bool) {
	if e := m.find(k); e != nil {
		return e.value, true
	}
	return value, false
}

// find returns the entry of k, or nil. Its key may share no bytes with k.
func (m Map[K, V]) find(k K) *mapEntry[K, V] { return m.root.get(k, hashOf(k)) }

// Edit returns the map for somebody who makes many changes before anybody else
// sees the result: from here to Done, With and Without may change the map that
// they are called on, and only what they return is to be used.
func (m Map[K, V]) Edit() Map[K, V] {
	m.owner = &owner{}
	return m
}

// Done returns the map for everybody, immutable again.
func (m Map[K, V]) Done() Map[K, V] {
	m.owner = nil
	return m
}

// With returns the map in which k has the value v.
func (m Map[K, V]) With(k K, v V) Map[K, V] { return m.with(m.owner, k, v) }

func (m Map[K, V]) with(o *owner, k K, v V) Map[K, V] {
	root, added := m.root.with(o, mapEntry[K, V]{k, v}, hashOf(k), 0, hashOf)
	m.root = root
	if added {
		m.len++
	}
	return m
}

// Without returns the map in which k is absent.
func (m Map[K, V]) Without(k K) Map[K, V] { return m.without(m.owner, k) }

func (m Map[K, V]) without(o *owner, k K) Map[K, V] {
	root, removed := m.root.without(o, k, hashOf(k), 0)
	if removed {
		m.root = root
		m.len--
	}
	return m
}

// All yields every entry, in no order.
func (m Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { m.root.each(yield) }
}

func (n *mapNode[K, V]) get(k K, hash uint64) *mapEntry[K, V] {
	for shift := uint(0); n != nil; shift += levelBits {
		bit := bitAt(hash, shift)
		if n.childBits&bit != 0 {
			n = n.children[position(n.childBits, bit)]
			continue
		}
		if i := n.find(k, bit); i >= 0 {
			return &n.entries[i]
		}
		return nil
	}
	return nil
}

// find returns where in entries k stands, or -1.
func (n *mapNode[K, V]) find(k K, bit uint32) int {
	if bit == 0 {
		for i := range n.entries {
			if n.entries[i].key == k {
				return i
			}
		}
		return -1
	}
	if i := position(n.entryBits, bit); n.entryBits&bit != 0 && n.entries[i].key == k {
		return i
	}
	return -1
}

// edit returns a node that an owner may change: n itself if it is its own
// already, else a copy. A nil owner still shares the lists with n.
func (n *mapNode[K, V]) edit(o *owner) *mapNode[K, V] {
	if n == nil {
		return &mapNode[K, V]{owner: o}
	}
	if o != nil && n.owner == o {
		return n
	}
	c := *n
	c.owner = o
	if o != nil {
		c.entries, c.children = slices.Clone(n.entries), slices.Clone(n.children)
	}
	return &c
}

// with returns the node with an entry put in, and whether its key is new. The
// hash function is needed to move an entry that is in the way further down.
func (n *mapNode[K, V]) with(o *owner, e mapEntry[K, V], hash uint64, shift uint, hashOf func(K) uint64) (_ *mapNode[K, V], added bool) {
	c, bit := n.edit(o), bitAt(hash, shift)
	if c.childBits&bit != 0 {
		i := position(c.childBits, bit)
		child, added := c.children[i].with(o, e, hash, shift+levelBits, hashOf)
		c.children = replaced(o, c.children, i, child)
		return c, added
	}
	if i := c.find(e.key, bit); i >= 0 {
		c.entries = replaced(o, c.entries, i, e)
		return c, false
	}
	if c.entryBits&bit == 0 {
		c.entries = inserted(o, c.entries, position(c.entryBits, bit), e)
		c.entryBits |= bit
		return c, true
	}
	other := c.entries[position(c.entryBits, bit)]
	child, _ := (*mapNode[K, V])(nil).with(o, other, hashOf(other.key), shift+levelBits, hashOf)
	child, _ = child.with(o, e, hash, shift+levelBits, hashOf)
	c.entryToChild(o, bit, child)
	return c, true
}

// without returns the node with k taken out, nil for an empty one, and whether
// it was there. A child that is left with one entry becomes that entry.
func (n *mapNode[K, V]) without(o *owner, k K, hash uint64, shift uint) (_ *mapNode[K, V], found bool) {
	if n == nil {
		return nil, false
	}
	bit := bitAt(hash, shift)
	if n.childBits&bit != 0 {
		return n.withoutBelow(o, k, hash, shift)
	}
	i := n.find(k, bit)
	if i < 0 {
		return n, false
	}
	if len(n.entries)+len(n.children) == 1 {
		return nil, true
	}
	c := n.edit(o)
	c.entryBits &^= bit
	c.entries = removed(o, c.entries, i)
	return c, true
}

// withoutBelow is without for a key that stands in a child, if anywhere.
func (n *mapNode[K, V]) withoutBelow(o *owner, k K, hash uint64, shift uint) (_ *mapNode[K, V], found bool) {
	bit := bitAt(hash, shift)
	i := position(n.childBits, bit)
	child, found := n.children[i].without(o, k, hash, shift+levelBits)
	if !found {
		return n, false
	}
	c := n.edit(o)
	if len(child.entries) == 1 && len(child.children) == 0 {
		c.childToEntry(o, bit, child.entries[0])
	} else {
		c.children = replaced(o, c.children, i, child)
	}
	return c, true
}

// entryToChild puts a child in the place of an entry.
func (n *mapNode[K, V]) entryToChild(o *owner, bit uint32, child *mapNode[K, V]) {
	n.entries = removed(o, n.entries, position(n.entryBits, bit))
	n.children = inserted(o, n.children, position(n.childBits, bit), child)
	n.entryBits &^= bit
	n.childBits |= bit
}

// childToEntry puts an entry in the place of a child.
func (n *mapNode[K, V]) childToEntry(o *owner, bit uint32, e mapEntry[K, V]) {
	n.children = removed(o, n.children, position(n.childBits, bit))
	n.entries = inserted(o, n.entries, position(n.entryBits, bit), e)
	n.childBits &^= bit
	n.entryBits |= bit
}

func (n *mapNode[K, V]) each(yield func(K, V) bool) bool {
	if n == nil {
		return true
	}
	for i := range n.entries {
		if !yield(n.entries[i].key, n.entries[i].value) {
			return false
		}
	}
	for _, child := range n.children {
		if !child.each(yield) {
			return false
		}
	}
	return true
}

// replaced returns s with another element at i: a copy, unless it has an owner.
func replaced[T any](o *owner, s []T, i int, v T) []T {
	if o == nil {
		s = slices.Clone(s)
	}
	s[i] = v
	return s
}

// inserted returns s with one element more, at i: a copy, unless it has an
// owner and room.
func inserted[T any](o *owner, s []T, i int, v T) []T {
	if o != nil && len(s) < cap(s) {
		return slices.Insert(s, i, v)
	}
	room := len(s) + 1
	if o != nil {
		room = roomFor(room)
	}
	c := slices.Grow([]T(nil), room)[:len(s)+1]
	copy(c, s[:i])
	c[i] = v
	copy(c[i+1:], s[i:])
	return c
}

// roomFor returns how many elements an owner makes room for that has n: most
// nodes take in a few more while a large map is made, and those that two
// entries had to make way for get no more than these.
func roomFor(n int) int { return max(2, n+n/4) }

// removed returns s without the element at i, nil for the last one: a copy,
// unless it has an owner.
func removed[T any](o *owner, s []T, i int) []T {
	if len(s) == 1 {
		return nil
	}
	if o != nil {
		return slices.Delete(s, i, i+1)
	}
	c := make([]T, len(s)-1)
	copy(c, s[:i])
	copy(c[i:], s[i+1:])
	return c
}
