package events

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/registry/write"
)

// fakeKeeper keeps events in memory.
type fakeKeeper struct {
	mu       sync.Mutex
	services map[registry.Key]subject
	kept     map[string]string // by name: service, reason, message, count and uid
	puts     int
	err      error
	meantime func() // what happens while events are written
}

var _ keeper = (*fakeKeeper)(nil)

func (k *fakeKeeper) look(context.Context, []registry.Key) (map[registry.Key]subject, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.services, k.err
}

func (k *fakeKeeper) put(_ context.Context, events []entry) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.meantime != nil {
		k.meantime()
		k.meantime = nil
	}
	if k.puts++; len(events) > batch {
		return errors.New("too many at once")
	}
	for _, e := range events {
		k.kept[e.Name] = fmt.Sprintf("%s %s/%s %s %s x%d", e.Type, e.Namespace, e.InvolvedObject.Name, e.Reason, e.InvolvedObject.UID, e.Count)
	}
	return nil
}

func (k *fakeKeeper) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err = err
}

// has waits until all is written that will be, and returns how often each
// event's text is there.
func (k *fakeKeeper) has() map[string]int {
	synctest.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	texts := map[string]int{}
	for _, text := range k.kept {
		texts[text]++
	}
	return texts
}

var web = registry.Key{Namespace: "my-ns", Name: "web"}

// inBubble runs a test of a Recorder that writes to a fake, in fake time.
func inBubble(t *testing.T, test func(*testing.T, *Recorder, *fakeKeeper)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKeeper{services: map[registry.Key]subject{web: {uid: "u1", revision: 7}}, kept: map[string]string{}}
		r := newRecorder(&Config{Node: "node-1", Logger: slog.New(slog.NewTextHandler(&registrytest.Log{}, nil))}, k)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { _ = r.Run(ctx) })
		defer running.Wait()
		defer cancel()
		test(t, r, k)
	})
}

func want(t *testing.T, k *fakeKeeper, texts ...string) {
	t.Helper()
	counts := map[string]int{}
	for _, text := range texts {
		counts[text]++
	}
	if diff := cmp.Diff(counts, k.has()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSameEventsAreOneObject(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Recorder, k *fakeKeeper) {
		s := r.Source("external")
		s.Warning(web, "Unhealthy", "10.1.0.1:80 fails")
		time.Sleep(time.Second)
		want(t, k, "Warning my-ns/web Unhealthy u1 x1")
		s.Warning(web, "Unhealthy", "10.1.0.1:80 fails")
		s.Warning(web, "Unhealthy", "10.1.0.1:80 fails")
		s.Warning(web, "Unhealthy", "10.1.0.2:80 fails")
		s.Normal(web, "Healthy", "10.1.0.1:80 passes")
		r.Source("announce").Warning(web, "Unhealthy", "10.1.0.1:80 fails")
		time.Sleep(time.Second)
		want(t, k, "Warning my-ns/web Unhealthy u1 x3", "Warning my-ns/web Unhealthy u1 x1", "Warning my-ns/web Unhealthy u1 x1", "Normal my-ns/web Healthy u1 x1")
	})
}

// What happens again while it is written is written again.
func TestToldMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Recorder, k *fakeKeeper) {
		s := r.Source("external")
		k.meantime = func() { s.Normal(web, "Healthy", "") }
		s.Normal(web, "Healthy", "")
		time.Sleep(time.Second)
		want(t, k, "Normal my-ns/web Healthy u1 x2")
	})
}

// An event that happens again when its object is gone is one of its own, and so
// is one about a service that was made anew.
func TestEventBeginsAnew(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Recorder, k *fakeKeeper) {
		s := r.Source("external")
		s.Normal(web, "Healthy", "")
		time.Sleep(TTL)
		s.Normal(web, "Healthy", "")
		time.Sleep(TTL + time.Second)
		s.Normal(web, "Healthy", "")
		time.Sleep(time.Second)
		want(t, k, "Normal my-ns/web Healthy u1 x2", "Normal my-ns/web Healthy u1 x1")
		k.mu.Lock()
		k.services = map[registry.Key]subject{web: {uid: "u2"}}
		k.mu.Unlock()
		s.Normal(web, "Healthy", "")
		time.Sleep(time.Second)
		want(t, k, "Normal my-ns/web Healthy u1 x2", "Normal my-ns/web Healthy u1 x1", "Normal my-ns/web Healthy u2 x1")
		k.mu.Lock()
		k.services = nil
		k.mu.Unlock()
		s.Normal(web, "Healthy", "")
		time.Sleep(time.Second)
		want(t, k, "Normal my-ns/web Healthy u1 x2", "Normal my-ns/web Healthy u1 x1", "Normal my-ns/web Healthy u2 x2")
	})
}

// Who has much to say about a service is heard 25 times, and then every five
// minutes. Others are heard meanwhile.
func TestRateLimit(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Recorder, k *fakeKeeper) {
		s := r.Source("external")
		for i := range 100 {
			s.Warning(web, "Unhealthy", fmt.Sprint(i))
		}
		s.Warning(registry.Key{Namespace: "my-ns", Name: "db"}, "Unhealthy", "")
		r.Source("announce").Warning(web, "Unhealthy", "")
		time.Sleep(time.Second)
		const one = "Warning my-ns/web Unhealthy u1 x1"
		expect := func(n int) {
			t.Helper()
			if diff := cmp.Diff(map[string]int{one: n + 1, "Warning my-ns/db Unhealthy  x1": 1}, k.has()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		}
		expect(25)
		for i := range 59 { // ten minutes less a bit
			time.Sleep(10 * time.Second)
			s.Warning(web, "Unhealthy", fmt.Sprint("later", i))
		}
		time.Sleep(time.Second)
		expect(26)
		time.Sleep(3 * time.Hour)
		for i := range 100 {
			s.Warning(web, "Unhealthy", fmt.Sprint("much later", i))
		}
		time.Sleep(time.Second)
		expect(26 + 25)
		if n := counted(t, r, tooOften); n != 75+58+75 {
			t.Errorf("%v dropped", n)
		}
	})
}

// While etcd is away events wait, as many as there is room for, and nobody waits
// for them.
func TestEtcdAway(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Recorder, k *fakeKeeper) {
		k.fail(errors.New("away"))
		s := r.Source("external")
		begun := time.Now()
		for i := range most + 10 {
			s.Normal(registry.Key{Namespace: "my-ns", Name: fmt.Sprint("s", i)}, "Healthy", "")
		}
		if time.Since(begun) != 0 {
			t.Error("it took time")
		}
		time.Sleep(10 * time.Minute)
		want(t, k)
		k.fail(nil)
		time.Sleep(time.Minute)
		if n := len(k.has()); n != most {
			t.Errorf("%d events, want %d", n, most)
		}
		if n := counted(t, r, noRoom); n != 10 {
			t.Errorf("%v dropped, want 10", n)
		}
		s.Normal(web, "Healthy", "") // there is room again
		time.Sleep(time.Second)
		if n := len(k.has()); n != most+1 || len(r.book.records) != most {
			t.Errorf("%d events, %d remembered", n, len(r.book.records))
		}
	})
}

func TestForeignRegistry(t *testing.T) {
	inBubble(t, func(t *testing.T, r *Recorder, k *fakeKeeper) {
		k.fail(&write.ForeignError{})
		r.Source("external").Normal(web, "Healthy", "")
		time.Sleep(time.Hour)
		k.fail(nil)
		time.Sleep(time.Hour)
		want(t, k)
		if n := counted(t, r, foreign); n != 1 {
			t.Errorf("%v dropped", n)
		}
	})
}

// TestLast has what was told until the end written.
func TestLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &fakeKeeper{kept: map[string]string{}}
		r := newRecorder(&Config{Node: "node-1"}, k)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for i := range 3 * batch {
			r.Source("external").Normal(registry.Key{Namespace: "my-ns", Name: fmt.Sprint("s", i)}, "Healthy", "")
		}
		if err := r.Run(ctx); err != nil || len(k.has()) != 3*batch || k.puts != 3 {
			t.Errorf("%d events in %d writes, %v", len(k.has()), k.puts, err)
		}
	})
}

func TestNobodyIsTold(*testing.T) {
	var s *Source
	s.Normal(web, "Healthy", "")
}

func TestShorten(t *testing.T) {
	for name, message := range map[string]string{"short": "ok", "long": strings.Repeat("x", 2000), "runes": strings.Repeat("ä", 1000), "odd": "x" + strings.Repeat("ä", 1000)} {
		got := shorten(message)
		if len(got) > longest || !utf8.ValidString(got) || len(message) <= longest && got != message || len(message) > longest && len(got) < longest-3 {
			t.Errorf("%s: %d bytes: %q", name, len(got), got)
		}
	}
}
