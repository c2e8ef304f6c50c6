package apiproxy

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	// maxTries is how many targets a request is offered to.
	maxTries = 4
	// avoidFor is how long a target that couldn't be dialled comes after the
	// others.
	avoidFor = 10 * time.Second
	// maxFailures is how many such targets are known at a time.
	maxFailures = 4096
)

// failures remembers the targets that couldn't be dialled a moment ago.
type failures struct {
	mu sync.Mutex
	at map[string]time.Time // by address
}

// add says that a target could not be dialled.
func (f *failures) add(address string, now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at == nil {
		f.at = map[string]time.Time{}
	}
	if len(f.at) >= maxFailures {
		for a, at := range f.at {
			if now.Sub(at) >= avoidFor {
				delete(f.at, a)
			}
		}
	}
	if len(f.at) < maxFailures {
		f.at[address] = now
	}
}

// order puts the targets into the order in which to try them: at random, those
// that just failed after those that didn't, and those that serve only where
// nobody else does last. It returns the first maxTries.
func (f *failures) order(targets []target, now time.Time) []target {
	//nolint:gosec // it spreads load, and keeps no secret
	rand.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
	if len(targets) > 1 {
		f.mu.Lock()
		defer f.mu.Unlock()
		slices.SortStableFunc(targets, func(a, b target) int { return f.rank(a, now) - f.rank(b, now) })
	}
	return targets[:min(len(targets), maxTries)]
}

// rank is lower for a target that is to be tried earlier.
func (f *failures) rank(t target, now time.Time) (rank int) {
	if t.last {
		rank += 2
	}
	if len(f.at) == 0 {
		return rank
	}
	if at, failed := f.at[t.address()]; failed && now.Sub(at) < avoidFor {
		rank++
	}
	return rank
}
