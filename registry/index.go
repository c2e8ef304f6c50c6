package registry

import "iter"

// index is an immutable multimap: for each key a set of members. A change of
// one member costs the same however many share the key.
type index[K, M comparable] struct {
	sets Map[K, Map[M, struct{}]]
}

// at yields the members at k, in no order.
func (x index[K, M]) at(k K) iter.Seq[M] {
	set, _ := x.sets.Get(k)
	return func(yield func(M) bool) {
		for m := range set.All() {
			if !yield(m) {
				return
			}
		}
	}
}

func (x index[K, M]) with(k K, member M) index[K, M] {
	set, _ := x.sets.Get(k)
	return index[K, M]{x.sets.With(k, set.With(member, struct{}{}))}
}

func (x index[K, M]) without(k K, member M) index[K, M] {
	set, _ := x.sets.Get(k)
	set = set.Without(member)
	if set.Len() == 0 {
		return index[K, M]{x.sets.Without(k)}
	}
	return index[K, M]{x.sets.With(k, set)}
}

// move replaces the keys under which a member stands.
func (x index[K, M]) move(member M, from, to iter.Seq[K]) index[K, M] {
	for k := range from {
		x = x.without(k, member)
	}
	for k := range to {
		x = x.with(k, member)
	}
	return x
}
