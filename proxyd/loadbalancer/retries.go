package loadbalancer

import (
	"math/rand/v2"
	"time"

	"github.com/svcreg/svcreg/registry"
)

const (
	leastPause = 100 * time.Millisecond
	mostPause  = time.Minute
)

// retries knows what failed, and when to try it again.
type retries struct {
	failures map[registry.Key]int
	at       map[registry.Key]time.Time
}

func newRetries() retries {
	return retries{map[registry.Key]int{}, map[registry.Key]time.Time{}}
}

// failed notes a failure. Pauses double, and are of random length so that not
// all services come back at once.
func (r *retries) failed(k registry.Key, now time.Time) {
	pause := min(leastPause<<min(r.failures[k], 20), mostPause)
	r.failures[k]++
	r.at[k] = now.Add(pause/2 + rand.N(pause/2)) //nolint:gosec // a jitter is no secret
}

// done forgets the failures of a service.
func (r *retries) done(k registry.Key) {
	delete(r.failures, k)
	delete(r.at, k)
}

// waits reports whether it is not yet time to try something again.
func (r *retries) waits(k registry.Key, now time.Time) bool { return now.Before(r.at[k]) }

// due returns what is to be tried again now, and leaves its failures counted.
func (r *retries) due(now time.Time) map[registry.Key]bool {
	due := map[registry.Key]bool{}
	for k, at := range r.at {
		if !now.Before(at) {
			due[k] = true
			delete(r.at, k)
		}
	}
	return due
}

// next returns when something is due.
func (r *retries) next() (first time.Time, ok bool) {
	for _, at := range r.at {
		if !ok || at.Before(first) {
			first, ok = at, true
		}
	}
	return first, ok
}
