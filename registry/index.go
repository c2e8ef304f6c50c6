package registry

import (
	"iter"
	"slices"
)

// index is an immutable multimap: for each key a set of members. A change of
// one member costs the same however many share the key.
type index[K, M comparable] struct {
	sets Map[K, members[M]]
}

// members is a set that is never empty. Nearly all have one member, which
// stands here without a map of its own.
type members[M comparable] struct {
	one  M
	more Map[M, struct{}]
}

// all yields the members, in no order.
func (set members[M]) all() iter.Seq[M] {
	return func(yield func(M) bool) {
		if !yield(set.one) {
			return
		}
		for m := range set.more.All() {
			if !yield(m) {
				return
			}
		}
	}
}

func (x index[K, M]) with(o *owner, k K, member M) index[K, M] {
	set, ok := x.sets.Get(k)
	switch {
	case !ok:
		set.one = member
	case set.one == member:
		return x
	default:
		set.more = set.more.with(o, member, struct{}{})
	}
	return index[K, M]{x.sets.with(o, k, set)}
}

func (x index[K, M]) without(o *owner, k K, member M) index[K, M] {
	set, ok := x.sets.Get(k)
	if !ok {
		return x
	}
	if set.one == member {
		if set.more.Len() == 0 {
			return index[K, M]{x.sets.without(o, k)}
		}
		for set.one = range set.more.All() {
			break
		}
		member = set.one
	}
	set.more = set.more.without(o, member)
	return index[K, M]{x.sets.with(o, k, set)}
}

// move replaces the keys under which a member stands. Only what differs is
// touched.
func (x index[K, M]) move(o *owner, member M, from, to []K) index[K, M] {
	for _, k := range from {
		if !slices.Contains(to, k) {
			x = x.without(o, k, member)
		}
	}
	for _, k := range to {
		if !slices.Contains(from, k) {
			x = x.with(o, k, member)
		}
	}
	return x
}
