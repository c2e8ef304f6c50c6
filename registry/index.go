package registry

import "iter"

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

// at yields the members at k, in no order.
func (x index[K, M]) at(k K) iter.Seq[M] {
	set, ok := x.sets.Get(k)
	return func(yield func(M) bool) {
		if !ok || !yield(set.one) {
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
func (x index[K, M]) move(o *owner, member M, from, to iter.Seq[K]) index[K, M] {
	gone := map[K]bool{}
	for k := range from {
		gone[k] = true
	}
	for k := range to {
		if gone[k] {
			delete(gone, k)
		} else {
			x = x.with(o, k, member)
		}
	}
	for k := range gone {
		x = x.without(o, k, member)
	}
	return x
}
