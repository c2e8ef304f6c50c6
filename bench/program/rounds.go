package program

import (
	"context"
	"slices"
	"time"
)

// Rotated returns a list that begins with another element in each round, so
// that nobody is always measured first.
func Rotated[T any](list []T, round int) []T {
	if len(list) == 0 {
		return nil
	}
	turn := round % len(list)
	return slices.Concat(list[turn:], list[:turn])
}

// Sleep waits, and tells whether ctx still lives.
func Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
