package endpoints

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/pause"
	"github.com/svcreg/svcreg/registry/watch"
	"github.com/svcreg/svcreg/registry/write"
)

const (
	// parallel is how many services are worked on at the same time.
	parallel = 8
	// foreignPause is how often a registry that belongs to others is looked at.
	foreignPause = time.Minute
	// leastPause and mostPause bound the pauses after what failed, for each
	// service.
	leastPause, mostPause = 100 * time.Millisecond, 30 * time.Second
)

// controller looks after the registry while this node leads.
type controller struct {
	*Config
	writer  *write.Writer
	metrics *metrics
	inbox   *inbox

	snapshot *registry.Snapshot // what the index is of
	index    *index
	tasks    map[registry.Key]*task
	written  map[registry.Key]receipt // of what was written last, until it is seen
	refused  map[registry.Key][]refusal
	said     map[any]bool // what the log has already
}

// receipt says when a service's objects were written last, how many of its own
// the controller has left it with, and what the checks had said then.
type receipt struct {
	revision int64
	objects  int
	verdict  string
}

// task is a service of which the endpoints are to be looked at.
type task struct {
	since    time.Time // when the first change came; zero if none is known
	due      time.Time
	attempts int
}

// lead looks after the registry until ctx ends. In one that belongs to an
// apiserver it does nothing, and says so.
func lead(ctx context.Context, c *Config, m *metrics) error {
	defer m.reset()
	writer := write.New(c.Client, c.Layout, write.Options{})
	for {
		if err := permitted(ctx, c, writer); err != nil || ctx.Err() != nil {
			return err
		}
		n := &controller{
			Config: c, writer: writer, metrics: m, inbox: newInbox(time.Now), snapshot: &registry.Snapshot{}, index: newIndex(),
			tasks: map[registry.Key]*task{}, written: map[registry.Key]receipt{},
			refused: map[registry.Key][]refusal{}, said: map[any]bool{},
		}
		if err := n.follow(ctx); !write.IsForeign(err) {
			return err
		}
		m.reset()
	}
}

// permitted waits until the registry may be written to.
func permitted(ctx context.Context, c *Config, writer *write.Writer) error {
	for said := false; ; said = true {
		calling, cancel := context.WithTimeout(ctx, callTimeout)
		err := writer.Writable(calling)
		cancel()
		if !write.IsForeign(err) {
			return err
		}
		if !said {
			c.Logger.Error("no service gets endpoints from this controller: its own do that", "reason", err)
		}
		if !pause.Sleep(ctx, foreignPause) {
			return nil
		}
	}
}

// follow works on what changes until ctx ends, or the registry turns out to be
// an apiserver's.
func (n *controller) follow(ctx context.Context) error {
	watcher, err := watch.New(watch.Config{
		Client: n.Client, Layout: n.Layout, Kinds: kinds, Trim: trim, Notify: n.inbox.put, Logger: n.Logger,
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var watching sync.WaitGroup
	watching.Go(func() { _ = watcher.Run(ctx) }) // fails only where it ran before
	defer watching.Wait()
	defer cancel()
	for {
		if !n.await(ctx) {
			return nil
		}
		n.learn(n.inbox.take())
		if err := n.work(ctx); err != nil {
			return err
		}
	}
}

// await waits for news, and until no more come for a moment, or until a task
// is due. It returns false once ctx has ended.
func (n *controller) await(ctx context.Context) bool {
	timer := time.NewTimer(n.nextDue())
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return ctx.Err() == nil
	case <-n.inbox.wake:
		return pause.Sleep(ctx, n.Settle)
	}
}

// nextDue returns how long it is until the first task is due that doesn't wait
// for news.
func (n *controller) nextDue() time.Duration {
	first := time.Hour
	for k, t := range n.tasks {
		if n.written[k].revision <= n.snapshot.Revision() {
			first = min(first, time.Until(t.due))
		}
	}
	return max(first, 0)
}

// learn brings the index up to date, and notes which services have to be looked
// at.
func (n *controller) learn(news news) {
	if news.snapshot == nil {
		return
	}
	before := n.snapshot
	n.snapshot = news.snapshot
	for k, at := range news.pods {
		n.learnPod(before.Pod(k), n.snapshot.Pod(k), at)
	}
	for k, at := range news.services {
		n.learnService(before, k, at)
	}
	for k, at := range news.nodes {
		n.learnNode(before, k.Name, at)
	}
	if news.networks {
		for k := range n.index.selectors {
			n.touch(k, time.Time{})
		}
	}
	for k, r := range n.written {
		if r.revision <= n.snapshot.Revision() {
			delete(n.written, k)
		}
	}
}

// learnPod takes note of a pod's change; nil is none.
func (n *controller) learnPod(old, now *registry.Pod, since time.Time) {
	if samePod(old, now) {
		return
	}
	for _, p := range []*registry.Pod{old, now} {
		if p != nil {
			for k := range n.index.selecting(p) {
				n.touch(k, since)
			}
		}
	}
	if old != nil {
		n.index.removePod(old)
	}
	if now != nil {
		n.index.addPod(now)
	}
}

// learnService takes note of a service's change, or of one of its objects. That
// of an object is mostly the controller's own doing, and began nothing.
func (n *controller) learnService(before *registry.Snapshot, k registry.Key, since time.Time) {
	ref := registry.Ref{Kind: registry.KindService, Key: k}
	old, _ := before.Record(ref)
	now, _ := n.snapshot.Record(ref)
	if old == now {
		if !n.asWritten(k) {
			n.touch(k, time.Time{})
		}
		return
	}
	n.index.setService(k, n.snapshot.Spec(k))
	n.touch(k, since)
}

// asWritten reports whether a service's objects are those that the controller
// itself wrote last, nothing else happened to them, and the checks say the same.
func (n *controller) asWritten(k registry.Key) bool {
	r, ok := n.written[k]
	if !ok || r.revision > n.snapshot.Revision() {
		return false
	}
	objects := n.standing(k).own()
	changed := func(e *registry.Endpoints) bool { return e.ModRevision > r.revision }
	return len(objects) == r.objects && n.verdict(k) == r.verdict && !slices.ContainsFunc(objects, changed)
}

// learnNode takes note of a node that came, went or moved to another zone.
func (n *controller) learnNode(before *registry.Snapshot, name string, since time.Time) {
	if zoneIn(before, name) == zoneIn(n.snapshot, name) {
		return
	}
	for k := range n.index.onNode[name] {
		if pod := n.snapshot.Pod(k); pod != nil {
			for service := range n.index.selecting(pod) {
				n.touch(service, since)
			}
		}
	}
}

// zoneIn returns in which zone a node is.
func zoneIn(s *registry.Snapshot, name string) string {
	if node := s.Node(name); node != nil {
		return node.Zone
	}
	return ""
}

// touch has a service looked at, because of what began at some time.
func (n *controller) touch(k registry.Key, since time.Time) {
	t := n.tasks[k]
	if t == nil {
		t = &task{}
		n.tasks[k] = t
	}
	if t.due = (time.Time{}); t.since.IsZero() || !since.IsZero() && since.Before(t.since) {
		t.since = since
	}
}

// work looks at the services that are due. It returns an error only if the
// registry is an apiserver's.
func (n *controller) work(ctx context.Context) error {
	var due []registry.Key
	now := time.Now()
	for k, t := range n.tasks {
		if !t.due.After(now) && n.written[k].revision <= n.snapshot.Revision() {
			due = append(due, k)
		}
	}
	results := make([]result, len(due))
	var workers sync.WaitGroup
	tokens := make(chan struct{}, parallel)
	for i, k := range due {
		tokens <- struct{}{}
		since := n.tasks[k].since
		workers.Go(func() {
			results[i] = n.sync(ctx, k, since)
			<-tokens
		})
	}
	workers.Wait()
	var foreign error
	for i, k := range due {
		if ctx.Err() != nil {
			break // whatever failed did so for that
		}
		if n.done(k, results[i]); write.IsForeign(results[i].err) {
			foreign = results[i].err
		}
	}
	n.metrics.services.Set(float64(len(n.index.selectors)))
	n.metrics.pending.Set(float64(len(n.tasks)))
	return foreign
}

// done takes note of how the work on a service went.
func (n *controller) done(k registry.Key, r result) {
	n.report(k, r)
	if r.revision != 0 {
		n.written[k] = r.receipt
	}
	if r.err == nil {
		delete(n.tasks, k)
		return
	}
	t := n.tasks[k]
	t.attempts++
	pause := min(leastPause<<min(t.attempts-1, 20), mostPause)
	t.due = time.Now().Add(pause - rand.N(pause/2)) //nolint:gosec // a jitter is no secret
	if errors.Is(r.err, write.ErrChanged) || errors.Is(r.err, context.Canceled) {
		return // what changed is on its way here
	}
	n.metrics.failures.Inc()
	n.Logger.Warn("a service's endpoints couldn't be written, which is tried again", "service", k, "error", r.err)
}

// report says what is odd about a service, once.
func (n *controller) report(k registry.Key, r result) {
	if delete(n.refused, k); len(r.refused) > 0 {
		n.refused[k] = r.refused
	}
	total := 0
	for _, list := range n.refused {
		total += len(list)
	}
	n.metrics.refused.Set(float64(total))
	for _, refusal := range r.refused {
		if !n.said[refusal] {
			n.said[refusal] = true
			n.Logger.Warn("a pod's address is one that no service may lead to", "pod", refusal.pod, "address", refusal.addr, "reason", refusal.reason)
		}
		n.once(k, refusal.String(), func(text string) { n.warn(k, "AddressRefused", text) })
	}
	warn := func(which bool, reason, text string) {
		if which {
			n.once(k, text, func(string) {
				n.Logger.Warn(text, "service", k)
				n.warn(k, reason, text)
			})
		}
	}
	for _, p := range r.unserved {
		warn(true, "NoSuchPort", fmt.Sprintf("port %s leads nowhere: no pod has a port %s/%s", cmp.Or(p.Name, strconv.Itoa(int(p.Port))), p.TargetPort, p.Protocol))
	}
	warn(r.handMade, "HandMadeEndpoints", "a service with a selector has an Endpoints object that somebody wrote: it stays, and counts for nothing beside the slices")
	warn(r.unchecked, "NotChecked", "a service wants its endpoints checked: that takes the controller external, which is off here")
}

// once says something about a service that wasn't said before.
func (n *controller) once(k registry.Key, text string, say func(text string)) {
	if id := (warning{k, text}); !n.said[id] {
		n.said[id] = true
		say(text)
	}
}

// warning is what the log and the events have of a service.
type warning struct {
	service registry.Key
	text    string
}
