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
	more *Map[M, struct{}] // nil for none
}

// several reports whether there is more than one member.
func (set members[M]) several() bool { return set.more != nil }

// with returns the set with a member more.
func (set members[M]) with(o *owner, member M) members[M] {
	var more Map[M, struct{}]
	if set.more != nil {
		more = *set.more
	}
	more = more.with(o, member, struct{}{})
	set.more = &more
	return set
}

// without returns the set, which has several members, with one less.
func (set members[M]) without(o *owner, member M) members[M] {
	if set.one == member {
		for set.one = range set.more.All() {
			break
		}
		member = set.one
	}
	more := set.more.without(o, member)
	if set.more = &more; more.Len() == 0 {
		set.more = nil
	}
	return set
}

// all yields the members, in no order.
func (set members[M]) all() iter.Seq[M] {
	return func(yield func(M) bool) {
		if !yield(set.one) || set.more == nil {
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
		set = set.with(o, member)
	}
	return index[K, M]{x.sets.with(o, k, set)}
}

func (x index[K, M]) without(o *owner, k K, member M) index[K, M] {
	set, ok := x.sets.Get(k)
	switch {
	case !ok, !set.several() && set.one != member:
		return x
	case !set.several():
		return index[K, M]{x.sets.without(o, k)}
	}
	return index[K, M]{x.sets.with(o, k, set.without(o, member))}
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
