package announce

import (
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// term is one lease: what is claimed under it is this node's to announce while
// the fence is open.
type term struct {
	id clientv3.LeaseID
	fence
}

// fence says until when a node may speak. The zero fence is closed.
type fence struct {
	until atomic.Pointer[time.Time]
}

// renew keeps the fence open for as long as a lease holds of which a request
// for it, or its renewal, was sent at a time, less an eighth: for clocks that
// run at different speeds, and for frames on their way.
func (f *fence) renew(sent time.Time, granted time.Duration) {
	until := sent.Add(granted - granted/8)
	f.until.Store(&until)
}

// shut closes the fence at once.
func (f *fence) shut() { f.until.Store(nil) }

// open returns how much longer the fence is open; nothing if it is closed.
func (f *fence) open() time.Duration {
	until := f.until.Load()
	if until == nil {
		return 0
	}
	return max(0, time.Until(*until))
}
