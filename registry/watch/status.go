package watch

import (
	"maps"
	"sync"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// Status is how a Watcher is doing. Counters count since the Watcher was made.
type Status struct {
	// Synced says that the snapshot was listed from etcd and is being
	// followed now.
	Synced bool
	// FromDisk says that the snapshot is the saved one of an earlier process.
	FromDisk bool
	// Connected says that etcd answers.
	Connected bool
	// LastContact is when etcd last answered.
	LastContact time.Time
	// Current is when the snapshot was last known to be what etcd holds: that
	// of a saved one is when it was saved.
	Current time.Time
	// LastError is why the Watcher is not Synced; nil while it is.
	LastError error

	// ClusterID is that of the etcd that the snapshot is from.
	ClusterID uint64
	// Revision is the etcd revision of the snapshot.
	Revision int64

	// Lists counts the complete lists, WatchRestarts how often following
	// ended and had to begin anew, Events the changes of keys seen.
	Lists, WatchRestarts, Events uint64

	// DecodeFailures counts the values that could not be decoded. Undecodable
	// is how many of those are in etcd now.
	DecodeFailures map[registry.Kind]uint64
	Undecodable    int

	// SnapshotWrites counts the times the snapshot was saved to disk, and
	// SnapshotErrors those when that failed, or loading did.
	SnapshotWrites, SnapshotErrors uint64
	// SnapshotSaved is when the snapshot was last saved, by this process or
	// an earlier one.
	SnapshotSaved time.Time
}

// tracker is a Status that many goroutines use.
type tracker struct {
	mu     sync.Mutex
	status Status
}

func newTracker() *tracker {
	return &tracker{status: Status{DecodeFailures: map[registry.Kind]uint64{}}}
}

func (t *tracker) get() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.status
	s.DecodeFailures = maps.Clone(s.DecodeFailures)
	return s
}

func (t *tracker) update(f func(*Status)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f(&t.status)
}

func (t *tracker) restored(saved *saved) {
	t.update(func(s *Status) {
		s.FromDisk, s.ClusterID = true, saved.ClusterID
		s.Current, s.SnapshotSaved = saved.at, saved.at
	})
}

// answered notes that etcd is there.
func (t *tracker) answered() {
	t.update(func(s *Status) {
		s.Connected, s.LastContact = true, time.Now()
		if s.Synced {
			s.Current = s.LastContact
		}
	})
}

func (t *tracker) listed(cluster uint64) {
	t.update(func(s *Status) {
		s.Lists++
		s.FromDisk, s.ClusterID, s.Current = false, cluster, s.LastContact
	})
}

// synced notes that all watches are in place.
func (t *tracker) synced() {
	t.update(func(s *Status) { s.Synced, s.LastError = true, nil })
}

// lost notes that the snapshot is no longer followed, and why. It reports
// whether it was until now.
func (t *tracker) lost(err error, connected bool) (was bool) {
	t.update(func(s *Status) {
		if was = s.Synced; was {
			s.WatchRestarts++
		}
		s.Synced, s.Connected, s.LastError = false, connected, err
	})
	return was
}

func (t *tracker) swapped(snapshot *registry.Snapshot) {
	t.update(func(s *Status) { s.Revision = snapshot.Revision() })
}

func (t *tracker) seen(events int) {
	t.update(func(s *Status) { s.Events += uint64(events) })
}

func (t *tracker) decodeFailed(k registry.Kind) {
	t.update(func(s *Status) { s.DecodeFailures[k]++ })
}

func (t *tracker) undecodable(n int) {
	t.update(func(s *Status) { s.Undecodable = n })
}

// saved notes an attempt to save the snapshot.
func (t *tracker) saved(err error) {
	t.update(func(s *Status) {
		if err != nil {
			s.SnapshotErrors++
			return
		}
		s.SnapshotWrites++
		s.SnapshotSaved = time.Now()
	})
}

func (t *tracker) loadFailed() {
	t.update(func(s *Status) { s.SnapshotErrors++ })
}
