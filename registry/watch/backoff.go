package watch

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is the pause between attempts. It grows by half each time, from
// least to most, and each pause is shortened at random by up to half so that
// many clients don't come back in step.
type backoff struct {
	least, most time.Duration
	current     time.Duration
}

// next returns the pause to make now.
func (b *backoff) next() time.Duration {
	b.current = min(max(b.least, b.current+b.current/2), b.most)
	return b.current - rand.N(b.current/2) //nolint:gosec // a jitter is no secret
}

// reset makes the next pause the shortest.
func (b *backoff) reset() { b.current = 0 }

// sleep waits, or returns false as soon as ctx ends.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
