package pause

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestGrowing(t *testing.T) {
	g := Growing{Least: 100 * time.Millisecond, Most: time.Second}
	for range 2 {
		full := g.Least
		for i := range 20 {
			if d := g.Next(); d > full || d <= full/2-1 {
				t.Errorf("pause %d: %v, want %v or up to half of it less", i, d, full)
			}
			full = min(full+full/2, g.Most)
		}
		if !g.Begun() {
			t.Error("no pause was made, as it seems")
		}
		g.Reset()
		if g.Begun() {
			t.Error("a pause was made since Reset, as it seems")
		}
	}
}

func TestSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if !Sleep(t.Context(), time.Second) || time.Since(start) != time.Second {
			t.Errorf("slept %v, want a second", time.Since(start))
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		start = time.Now()
		g := Growing{Least: time.Hour, Most: time.Hour}
		if g.Sleep(ctx) || time.Since(start) != time.Second {
			t.Errorf("slept %v, want a second, until ctx ended", time.Since(start))
		}
	})
}
