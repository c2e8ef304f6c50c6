package announce

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"time"
)

// pauses grow by half each time, from least to most, and each is shortened at
// random by up to half, so that many nodes don't come back in step.
type pauses struct {
	least, most time.Duration
	current     time.Duration
}

// pause makes the next pause, or returns early when ctx ends.
func (p *pauses) pause(ctx context.Context) {
	p.current = min(max(p.least, p.current+p.current/2), p.most)
	sleep(ctx, p.current-jitter(p.current/2))
}

// reset makes the next pause the shortest.
func (p *pauses) reset() { p.current = 0 }

// levelOf returns how loudly a failure is told: the first of several in a row
// is a warning.
func levelOf(p pauses) slog.Level {
	if p.current > 0 {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// jitter returns a random duration below one.
func jitter(below time.Duration) time.Duration {
	return rand.N(below) //nolint:gosec // a jitter is no secret
}

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
