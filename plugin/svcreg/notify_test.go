package svcreg

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/svcreg/svcreg/registry"
)

// messages are those that a notifier sent: when, and for which zone.
type messages struct {
	mu   sync.Mutex
	all  []string
	from time.Time
}

func (m *messages) tell(zone string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, time.Since(m.from).String()+" "+zone)
	return errors.New("nobody there")
}

func (m *messages) take() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer func() { m.all = nil }()
	return slices.Clone(m.all)
}

// However often a zone changes, its secondaries hear of it once a second, and
// of the first change at once.
func TestNotifier(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newTestServerOf(&options{zones: []string{"cluster.local.", "in-addr.arpa."}, ttl: 5})
		sent := &messages{from: time.Now()}
		n := newNotifier(h.stanza, sent.tell)
		f := &follower{stanza: h.stanza, secondaries: n}
		want := func(what string, messages ...string) {
			t.Helper()
			synctest.Wait()
			if diff := cmp.Diff(messages, sent.take()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		change := func(revision int64) {
			f.notify(registry.Build(revision), &registry.Changes{})
		}
		ctx, cancel := context.WithCancel(t.Context())
		n.start(ctx)
		change(1)
		want("before the server listens")
		time.Sleep(5 * time.Second)
		want("the start", "1s cluster.local.", "1s in-addr.arpa.")
		change(2)
		want("the first change", "5s cluster.local.", "5s in-addr.arpa.")
		for revision := range int64(10) {
			time.Sleep(10 * time.Millisecond)
			change(3 + revision)
		}
		want("more at once")
		time.Sleep(time.Second)
		want("a second later", "6s cluster.local.", "6s in-addr.arpa.")
		time.Sleep(time.Hour)
		change(12)
		want("the same revision")
		cancel()
		n.wait()
		change(13)
		want("after the end")
	})
}

// Where no zone is transferred there is nobody to tell.
func TestNoNotifier(t *testing.T) {
	var n *notifier
	n.start(t.Context())
	n.wake()
	n.wait()
}
