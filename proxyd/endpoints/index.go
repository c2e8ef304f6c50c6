package endpoints

import (
	"cmp"
	"iter"
	"maps"
	"slices"

	"github.com/svcreg/svcreg/registry"
)

// multimap is a set of values for each key; no set is empty.
type multimap[K, V comparable] map[K]map[V]struct{}

func (m multimap[K, V]) add(k K, v V) {
	if m[k] == nil {
		m[k] = map[V]struct{}{}
	}
	m[k][v] = struct{}{}
}

func (m multimap[K, V]) remove(k K, v V) {
	if delete(m[k], v); len(m[k]) == 0 {
		delete(m, k)
	}
}

// pair is a label in a namespace. One without a key and a value stands for
// whatever is in the namespace.
type pair struct{ namespace, key, value string }

// index knows which services select a pod, and which pods a service selects,
// without looking at any others than those which share a label.
type index struct {
	pods      multimap[pair, string] // by each label, and all of a namespace
	onNode    multimap[string, registry.Key]
	services  multimap[pair, registry.Key] // each by one label of its selector
	selectors map[registry.Key]selector
}

// selector is a service's selector, and under which of its labels the service
// stands in the index.
type selector struct {
	labels map[string]string
	anchor pair
}

func newIndex() *index {
	return &index{
		pods: multimap[pair, string]{}, onNode: multimap[string, registry.Key]{},
		services: multimap[pair, registry.Key]{}, selectors: map[registry.Key]selector{},
	}
}

// pairs yields what objects with some labels stand under.
func pairs(namespace string, labels map[string]string) iter.Seq[pair] {
	return func(yield func(pair) bool) {
		if !yield(pair{namespace: namespace}) {
			return
		}
		for k, v := range labels {
			if !yield(pair{namespace, k, v}) {
				return
			}
		}
	}
}

// addPod and removePod keep the index of pods.
func (x *index) addPod(p *registry.Pod) {
	for at := range pairs(p.Namespace, p.Labels) {
		x.pods.add(at, p.Name)
	}
	if p.Node != "" {
		x.onNode.add(p.Node, p.Key)
	}
}

func (x *index) removePod(p *registry.Pod) {
	for at := range pairs(p.Namespace, p.Labels) {
		x.pods.remove(at, p.Name)
	}
	x.onNode.remove(p.Node, p.Key)
}

// setService has the index know a service's selector, or forget it.
func (x *index) setService(k registry.Key, s *registry.Service) {
	if old, ok := x.selectors[k]; ok {
		if s != nil && s.Selector != nil && maps.Equal(old.labels, s.Selector) {
			return
		}
		x.services.remove(old.anchor, k)
		delete(x.selectors, k)
	}
	if selected(s) {
		anchor := x.rarest(k.Namespace, s.Selector)
		x.services.add(anchor, k)
		x.selectors[k] = selector{s.Selector, anchor}
	}
}

// rarest returns under which of some labels there are the fewest pods, and of
// several such the fewest services.
func (x *index) rarest(namespace string, labels map[string]string) pair {
	best := pair{namespace: namespace}
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		at := pair{namespace, k, labels[k]}
		fewer := cmp.Or(cmp.Compare(len(x.pods[at]), len(x.pods[best])), cmp.Compare(len(x.services[at]), len(x.services[best])))
		if best.key == "" || fewer < 0 {
			best = at
		}
	}
	return best
}

// selecting yields the services that select a pod.
func (x *index) selecting(p *registry.Pod) iter.Seq[registry.Key] {
	return func(yield func(registry.Key) bool) {
		for at := range pairs(p.Namespace, p.Labels) {
			for k := range x.services[at] {
				if matches(x.selectors[k].labels, p.Labels) && !yield(k) {
					return
				}
			}
		}
	}
}

// candidates returns the names of pods among which are all that a selector
// matches.
func (x *index) candidates(namespace string, labels map[string]string) iter.Seq[string] {
	return maps.Keys(x.pods[x.rarest(namespace, labels)])
}

// matches reports whether an object with some labels has all of a selector's.
func matches(selector, labels map[string]string) bool {
	for k, v := range selector {
		if have, ok := labels[k]; !ok || have != v {
			return false
		}
	}
	return true
}
