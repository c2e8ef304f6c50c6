// Package pause is about the time between attempts.
package pause

import (
	"context"
	"math/rand/v2"
	"time"
)

// Growing is pauses that grow by half each time, from Least to Most. Each is
// shortened at random by up to half, so that many clients don't come back in
// step. Least is at least two nanoseconds.
type Growing struct {
	Least, Most time.Duration
	current     time.Duration
}

// Next returns the pause to make now.
func (g *Growing) Next() time.Duration {
	g.current = min(max(g.Least, g.current+g.current/2), g.Most)
	return g.current - Below(g.current/2)
}

// Sleep makes the next pause, or returns false as soon as ctx ends.
func (g *Growing) Sleep(ctx context.Context) bool { return Sleep(ctx, g.Next()) }

// Reset makes the next pause the shortest.
func (g *Growing) Reset() { g.current = 0 }

// Begun reports whether there was a pause since the last Reset.
func (g *Growing) Begun() bool { return g.current > 0 }

// Below returns a random duration below one that is above zero.
func Below(d time.Duration) time.Duration {
	return rand.N(d) //nolint:gosec // a jitter is no secret
}

// Sleep waits, or returns false as soon as ctx ends.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
