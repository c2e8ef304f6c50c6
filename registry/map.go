package registry

import (
	"hash/maphash"
	"iter"
	"math/bits"
)

// Map is an immutable hash map. With and Without return a changed map that
// shares everything else with the receiver, at a cost that grows with the
// logarithm of the size; Get allocates nothing. The zero Map is empty.
//
// It is a hash array mapped trie (Bagwell, "Ideal Hash Trees", 2001).
type Map[K comparable, V any] struct {
	root *mapNode[K, V]
	len  int
}

// mapNode has a slot for each bit set in bitmap, in the order of the bits.
// Below the last level, where the hash is used up, slots stand in any order.
type mapNode[K comparable, V any] struct {
	bitmap uint32
	slots  []mapSlot[K, V]
}

// mapSlot is an entry, or a deeper node where child is set.
type mapSlot[K comparable, V any] struct {
	key   K
	value V
	child *mapNode[K, V]
}

const (
	levelBits = 5
	hashBits  = 64
)

var mapSeed = maphash.MakeSeed()

// Len returns the number of entries.
func (m Map[K, V]) Len() int { return m.len }

// Get returns the value at k, and whether there is one.
func (m Map[K, V]) Get(k K) (value V, ok bool) {
	hash := maphash.Comparable(mapSeed, k)
	n := m.root
	for shift := uint(0); n != nil; shift += levelBits {
		i, found := n.find(k, hash, shift)
		if !found {
			return value, false
		}
		s := &n.slots[i]
		if s.child == nil {
			if s.key == k {
				return s.value, true
			}
			return value, false
		}
		n = s.child
	}
	return value, false
}

// With returns the map in which k has the value v.
func (m Map[K, V]) With(k K, v V) Map[K, V] {
	root, added := m.root.with(mapSlot[K, V]{key: k, value: v}, maphash.Comparable(mapSeed, k), 0)
	if added {
		m.len++
	}
	return Map[K, V]{root, m.len}
}

// Without returns the map in which k is absent.
func (m Map[K, V]) Without(k K) Map[K, V] {
	root, removed := m.root.without(k, maphash.Comparable(mapSeed, k), 0)
	if !removed {
		return m
	}
	return Map[K, V]{root, m.len - 1}
}

// All yields every entry, in no order.
func (m Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) { m.root.each(yield) }
}

// find returns the slot that k belongs in, and whether it is there. The slot
// may hold another key with the same hash bits so far.
func (n *mapNode[K, V]) find(k K, hash uint64, shift uint) (int, bool) {
	if shift >= hashBits {
		for i := range n.slots {
			if n.slots[i].key == k {
				return i, true
			}
		}
		return len(n.slots), false
	}
	bit := uint32(1) << (hash >> shift & (1<<levelBits - 1))
	return bits.OnesCount32(n.bitmap & (bit - 1)), n.bitmap&bit != 0
}

func (n *mapNode[K, V]) with(s mapSlot[K, V], hash uint64, shift uint) (_ *mapNode[K, V], added bool) {
	if n == nil {
		n = &mapNode[K, V]{}
	}
	i, found := n.find(s.key, hash, shift)
	if !found {
		return n.insert(i, s, hash, shift), true
	}
	old := n.slots[i]
	if old.child == nil && old.key == s.key {
		return n.replace(i, s), false
	}
	below := old.child
	if below == nil {
		below, _ = below.with(old, maphash.Comparable(mapSeed, old.key), shift+levelBits)
	}
	below, added = below.with(s, hash, shift+levelBits)
	return n.replace(i, mapSlot[K, V]{child: below}), added
}

func (n *mapNode[K, V]) without(k K, hash uint64, shift uint) (_ *mapNode[K, V], removed bool) {
	if n == nil {
		return n, false
	}
	i, found := n.find(k, hash, shift)
	if !found {
		return n, false
	}
	s := n.slots[i]
	if s.child == nil {
		if s.key != k {
			return n, false
		}
		return n.remove(i), true
	}
	child, removed := s.child.without(k, hash, shift+levelBits)
	switch {
	case !removed:
		return n, false
	case child == nil:
		return n.remove(i), true
	case len(child.slots) == 1 && child.slots[0].child == nil:
		return n.replace(i, child.slots[0]), true
	}
	return n.replace(i, mapSlot[K, V]{child: child}), true
}

func (n *mapNode[K, V]) insert(i int, s mapSlot[K, V], hash uint64, shift uint) *mapNode[K, V] {
	slots := make([]mapSlot[K, V], len(n.slots)+1)
	copy(slots, n.slots[:i])
	slots[i] = s
	copy(slots[i+1:], n.slots[i:])
	bitmap := n.bitmap
	if shift < hashBits {
		bitmap |= 1 << (hash >> shift & (1<<levelBits - 1))
	}
	return &mapNode[K, V]{bitmap, slots}
}

func (n *mapNode[K, V]) replace(i int, s mapSlot[K, V]) *mapNode[K, V] {
	slots := make([]mapSlot[K, V], len(n.slots))
	copy(slots, n.slots)
	slots[i] = s
	return &mapNode[K, V]{n.bitmap, slots}
}

// remove returns the node without slot i, or nil if that was the last one.
func (n *mapNode[K, V]) remove(i int) *mapNode[K, V] {
	if len(n.slots) == 1 {
		return nil
	}
	slots := make([]mapSlot[K, V], len(n.slots)-1)
	copy(slots, n.slots[:i])
	copy(slots[i:], n.slots[i+1:])
	return &mapNode[K, V]{n.bitmap &^ n.nthBit(i), slots}
}

// nthBit returns the bit of slot i; zero below the last level.
func (n *mapNode[K, V]) nthBit(i int) uint32 {
	rest := n.bitmap
	for range i {
		rest &= rest - 1
	}
	return rest & -rest
}

func (n *mapNode[K, V]) each(yield func(K, V) bool) bool {
	if n == nil {
		return true
	}
	for i := range n.slots {
		s := &n.slots[i]
		if s.child != nil {
			if !s.child.each(yield) {
				return false
			}
		} else if !yield(s.key, s.value) {
			return false
		}
	}
	return true
}
