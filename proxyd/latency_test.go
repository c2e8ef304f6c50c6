package proxyd

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
)

// clocked is a latency whose measurements are kept.
func clocked(seen *[]time.Duration) *latency {
	return newLatency(func(s float64) { *seen = append(*seen, time.Duration(s*float64(time.Second)).Round(time.Millisecond)) })
}

// Each change of a service or of endpoints is measured, from its arrival or from
// its cause, once the kernel has it.
func TestLatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []time.Duration
		l := clocked(&seen)
		time.Sleep(time.Hour)
		before := registry.Build(0)
		slow := endpoints("first", "10.1.0.1")
		slow.Object.Metadata().Annotations = map[string]string{registry.TriggerAnnotation: time.Now().Add(-2 * time.Second).Format(time.RFC3339)}
		changes := []registry.Change{
			service("first", "10.0.0.1", "TCP"), slow,
			registry.Put(&registry.Node{Meta: registry.Meta{Kind: registry.KindNode, Key: registry.Key{Name: "n"}}}),
		}
		first, _ := before.Apply(1, changes...)
		l.notify(first)
		l.applied(before, changes, time.Now())
		time.Sleep(10 * time.Millisecond)
		second, _ := first.Apply(2, service("second", "10.0.0.2", "TCP"))
		l.notify(second)
		l.applied(first, []registry.Change{service("second", "10.0.0.2", "TCP")}, time.Now())
		if len(seen) != 0 {
			t.Errorf("measured %v before anything was done", seen)
		}
		time.Sleep(5 * time.Millisecond)
		l.finish(first, true)
		want := []time.Duration{15 * time.Millisecond, 2015 * time.Millisecond}
		if diff := cmp.Diff(want, seen); diff != "" {
			t.Errorf("the first snapshot (-want +got):\n%s", diff)
		}
		time.Sleep(5 * time.Millisecond)
		l.finish(second, true)
		if diff := cmp.Diff(append(want, 10*time.Millisecond), seen); diff != "" {
			t.Errorf("the second snapshot (-want +got):\n%s", diff)
		}
	})
}

// The loop may be faster than the watcher's word of what it was.
func TestLatencyOfWhatIsDoneAlready(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []time.Duration
		l := clocked(&seen)
		before := registry.Build(0)
		change := service("first", "10.0.0.1", "TCP")
		s, _ := before.Apply(1, change)
		received := time.Now()
		l.notify(s)
		time.Sleep(time.Millisecond)
		l.finish(s, true)
		time.Sleep(time.Second)
		l.applied(before, []registry.Change{change}, received)
		if diff := cmp.Diff([]time.Duration{time.Millisecond}, seen); diff != "" {
			t.Errorf("measured (-want +got):\n%s", diff)
		}
	})
}

// What the kernel needs nothing for is not measured.
func TestLatencyOfNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []time.Duration
		l := clocked(&seen)
		before := registry.Build(0)
		change := endpoints("nobody", "10.1.0.1")
		s, _ := before.Apply(1, change)
		l.notify(s)
		l.applied(before, []registry.Change{change}, time.Now())
		l.finish(s, false)
		l.finish(s, true)
		if len(seen) != 0 {
			t.Errorf("measured %v, want nothing", seen)
		}
	})
}
