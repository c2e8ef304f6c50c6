package apiproxy

import (
	"math/rand/v2"
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

// order returns the targets that a request is offered to, in this order: at
// random, those that just failed after those that didn't, and those that serve
// only where nobody else does last. There are at most maxTries.
func (f *failures) order(targets []target, now time.Time) []target {
	if len(targets) == 1 {
		return targets
	}
	order := make([]target, 0, min(len(targets), maxTries))
	shuffled := rand.Perm(len(targets)) //nolint:gosec // it spreads load, and keeps no secret
	f.mu.Lock()
	defer f.mu.Unlock()
	for rank := range lastRank + 1 {
		for _, i := range shuffled {
			if len(order) == maxTries {
				return order
			}
			if f.rank(&targets[i], now) == rank {
				order = append(order, targets[i])
			}
		}
	}
	return order
}

// lastRank is that of a target that is going, and failed.
const lastRank = 3

// rank is lower for a target that is to be tried earlier.
func (f *failures) rank(t *target, now time.Time) (rank int) {
	if t.last {
		rank += 2
	}
	if len(f.at) == 0 {
		return rank
	}
	if at, failed := f.at[t.address]; failed && now.Sub(at) < avoidFor {
		rank++
	}
	return rank
}
