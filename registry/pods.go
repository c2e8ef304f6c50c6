package registry

import (
	"iter"
	"net/netip"
)

// PodKeysByIP yields the keys of the unfinished pods at that address, in no
// order: one, or several where pods are on their host's network.
func (s *Snapshot) PodKeysByIP(addr netip.Addr) iter.Seq[Key] {
	return func(yield func(Key) bool) {
		set, ok := s.podsByIP.sets.Get(addr)
		if !ok || s.unfinished(set.one) && !yield(set.one) {
			return
		}
		for k := range set.more.All() {
			if s.unfinished(k) && !yield(k) {
				return
			}
		}
	}
}

func (s *Snapshot) unfinished(pod Key) bool { return !s.Pod(pod).Finished }
