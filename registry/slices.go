package registry

import "iter"

// SliceKeys yields the keys of a service's EndpointSlices, in no order,
// whether the service is there or not.
func (s *Snapshot) SliceKeys(service Key) iter.Seq[Key] {
	return func(yield func(Key) bool) {
		if set, ok := s.slicesOf.sets.Get(service); ok {
			set.all()(yield)
		}
	}
}
