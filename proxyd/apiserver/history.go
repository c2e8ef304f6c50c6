package apiserver

import (
	"cmp"
	"iter"
	"slices"
	"sync"

	"github.com/svcreg/svcreg/registry"
)

// history is the latest snapshot and the steps that led to it, as many as are
// kept. Snapshots share what didn't change, so a step costs little.
type history struct {
	most int

	mu     sync.Mutex
	latest *registry.Snapshot
	steps  []step // the oldest first; each begins where the one before ended
	first  uint64 // the number of steps[0]
	moved  chan struct{}
}

// step is one swap of the snapshot, and the objects that it touched.
type step struct {
	before, after *registry.Snapshot
	refs          []registry.Ref
}

func newHistory(most int) *history {
	return &history{most: most, moved: make(chan struct{})}
}

// add takes the next snapshot. After a step that nobody can follow all watches
// begin anew: the first one, one back in time (etcd was restored from a
// backup), and one with more changes than there is room for.
func (h *history) add(s *registry.Snapshot, changes *registry.Changes) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.latest
	h.latest = s
	if before == nil || s.Revision() < before.Revision() || len(changes.Services)+len(changes.Pods) > 10*h.most {
		h.first += uint64(len(h.steps)) + 1
		h.steps = nil
	} else {
		h.steps = append(h.steps, step{before, s, touched(before, s, changes)})
		if n := len(h.steps) - h.most; n > 0 {
			h.steps = slices.Delete(h.steps, 0, n)
			h.first += uint64(n)
		}
	}
	close(h.moved)
	h.moved = make(chan struct{})
}

// touched returns what differs between two snapshots, in the order in which it
// was written; what is gone comes last. Of the slices it finds those that
// belong to a service.
func touched(before, after *registry.Snapshot, changes *registry.Changes) []registry.Ref {
	var refs []registry.Ref
	seen := map[registry.Ref]bool{}
	for r := range candidates(before, after, changes) {
		old, _ := before.Record(r)
		now, _ := after.Record(r)
		if old != now && !seen[r] {
			refs = append(refs, r)
			seen[r] = true
		}
	}
	written := func(r registry.Ref) int64 {
		if o := after.Object(r); o != nil {
			return o.Metadata().ModRevision
		}
		return after.Revision() + 1
	}
	slices.SortStableFunc(refs, func(a, b registry.Ref) int { return cmp.Compare(written(a), written(b)) })
	return refs
}

// candidates yields what may have changed: that a service is named says that
// it did, or what serves it.
func candidates(before, after *registry.Snapshot, changes *registry.Changes) iter.Seq[registry.Ref] {
	return func(yield func(registry.Ref) bool) {
		var refs []registry.Ref
		for _, k := range changes.Services {
			refs = append(refs, registry.Ref{Kind: registry.KindService, Key: k}, registry.Ref{Kind: registry.KindEndpoints, Key: k})
			for _, s := range []*registry.Snapshot{before, after} {
				for slice := range s.SliceKeys(k) {
					refs = append(refs, registry.Ref{Kind: registry.KindEndpointSlice, Key: slice})
				}
			}
		}
		for kind, keys := range map[registry.Kind][]registry.Key{
			registry.KindPod: changes.Pods, registry.KindNode: changes.Nodes, registry.KindNamespace: changes.Namespaces,
		} {
			for _, k := range keys {
				refs = append(refs, registry.Ref{Kind: kind, Key: k})
			}
		}
		slices.Values(refs)(yield)
	}
}

// current returns the latest snapshot, nil if there is none yet, and what is
// closed when the next one comes.
func (h *history) current() (*registry.Snapshot, <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.latest, h.moved
}

// at returns the snapshot of a revision, or nil if it isn't known any more.
func (h *history) at(revision int64) *registry.Snapshot {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.latest != nil && h.latest.Revision() == revision {
		return h.latest
	}
	for i := range h.steps {
		if h.steps[i].before.Revision() == revision {
			return h.steps[i].before
		}
	}
	return nil
}

// after returns the number of the first step that leads past a revision, and
// whether all that happened since then is known; oldest is the first revision
// of which that holds.
func (h *history) after(revision int64) (number uint64, oldest int64, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	oldest = h.latest.Revision()
	if len(h.steps) > 0 {
		oldest = h.steps[0].before.Revision()
	}
	i, _ := slices.BinarySearchFunc(h.steps, revision+1, func(s step, revision int64) int {
		return cmp.Compare(s.after.Revision(), revision)
	})
	return h.first + uint64(i), oldest, revision >= oldest
}

// next returns the steps from a number on, the number after them, the snapshot
// they lead to, and what is closed when there are more. It is not ok once the
// first of them is forgotten.
func (h *history) next(number uint64) (steps []step, _ uint64, _ *registry.Snapshot, more <-chan struct{}, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if number < h.first {
		return nil, 0, h.latest, nil, false
	}
	steps = slices.Clone(h.steps[number-h.first:])
	return steps, number + uint64(len(steps)), h.latest, h.moved, true
}
