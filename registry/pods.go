package registry

import (
	"iter"
	"net/netip"
)

// PodKeysByIP yields the keys of the unfinished pods at that address, in no
// order: one, or several where pods are on their host's network.
func (s *Snapshot) PodKeysByIP(addr netip.Addr) iter.Seq[Key] {
	return func(yield func(Key) bool) {
		if set, ok := s.podsByIP.sets.Get(addr); ok {
			set.all()(yield)
		}
	}
}

// HasPods reports whether a namespace has pods, finished or not.
func (s *Snapshot) HasPods(namespace string) bool {
	p, _ := s.namespaces.Get(namespace)
	return p.pods > 0
}
