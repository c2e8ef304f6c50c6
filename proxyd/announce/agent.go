package announce

import (
	"context"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
)

const (
	// fresh is how long an address that no other host had is taken to be
	// svcreg's own.
	fresh = 10 * time.Second
	// disputed is how long an address is left alone that another host has, and
	// crossed how long one that another host asked for at the same moment.
	disputed, crossed = 30 * time.Second, 2 * time.Second
	// retry is how soon something is tried again.
	retry = 250 * time.Millisecond
)

// agent announces what this node is chosen for. One goroutine runs its loop,
// and decides; what it knows comes from the tasks around it.
type agent struct {
	node     string
	patterns []string
	logger   *slog.Logger
	config   *Config

	lease   *lease
	view    *view
	claims  *claims
	speaker *speaker
	metrics *metrics
	changes *linkWatch
	list    func(patterns []string) ([]link, error)

	demands *demands
	links   []link

	record     *member // as etcd has it, under registered; nil if unknown
	registered clientv3.LeaseID
	written    int64         // the revision of that
	namesake   bool          // another node has the same name
	leave      time.Duration // disputed

	// floor is the revision of this node's last write: until it is seen,
	// nothing new is begun.
	floor int64
	// doubtful are claims that may have been released.
	doubtful map[netip.Addr]bool
	speaking map[netip.Addr][]link
	asking   map[netip.Addr]bool
	cleared  map[netip.Addr]time.Time // when no other host had it
	blocked  map[netip.Addr]time.Time // until when it is left alone
	again    bool                     // something is to be tried again soon

	mu       sync.Mutex
	verdicts []verdict
	judged   chan struct{}
}

func newAgent(c *Config, open opener, list func([]string) ([]link, error), watch func(context.Context, func()) error) *agent {
	m := newMetrics()
	return &agent{
		node: c.Node, patterns: c.Interfaces, logger: c.Logger, config: c,
		metrics: m, view: newView(c),
		lease:   &lease{client: c.Client, ttl: c.TTL, logger: c.Logger, wake: make(chan struct{}, 1), lost: m.leasesLost.Inc},
		claims:  &claims{c.Client, newKeys(c.Layout), c.Node},
		speaker: newSpeaker(open, m, c.Logger),
		changes: &linkWatch{watch, c.Logger, make(chan struct{}, 1)}, list: list,
		demands:  newDemands(c.Node),
		doubtful: map[netip.Addr]bool{}, speaking: map[netip.Addr][]link{}, asking: map[netip.Addr]bool{},
		cleared: map[netip.Addr]time.Time{}, blocked: map[netip.Addr]time.Time{},
		judged: make(chan struct{}, 1), leave: disputed,
	}
}

// run announces until ctx ends. A node takes part once it has a registry.
func (a *agent) run(ctx context.Context) error {
	if a.config.Registerer != nil {
		remove, err := a.metrics.register(a.config.Registerer)
		if err != nil {
			return err
		}
		defer remove()
	}
	select {
	case <-ctx.Done():
		return nil
	case <-a.config.Feed.waiting():
	}
	for ready := a.config.Ready; ready != nil && !ready(); {
		if !sleep(ctx, retry) {
			return nil
		}
	}
	tasks, inner := errgroup.WithContext(ctx)
	tasks.Go(func() error { return a.view.run(inner) })
	tasks.Go(func() error { return a.lease.run(inner) })
	tasks.Go(func() error { return a.changes.run(inner) })
	tasks.Go(func() error { return a.loop(inner) })
	err := tasks.Wait()
	a.speaker.close()
	a.lease.revoke(ctx)
	return err
}

// loop steps whenever something may have changed.
func (a *agent) loop(ctx context.Context) error {
	for looked := false; ; {
		if !looked {
			a.look()
			looked = true
		}
		a.again = false
		a.step(ctx)
		pause := a.pause()
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
			looked = pause < linkPeriod
		case <-a.changes.wake:
			looked = false
		case <-a.config.Feed.waiting():
		case <-a.view.wake:
		case <-a.lease.wake:
		case <-a.judged:
		}
		timer.Stop()
	}
}

// pause returns how long there is nothing to do.
func (a *agent) pause() time.Duration {
	pause := linkPeriod
	if a.again {
		pause = retry
	}
	for _, until := range a.blocked {
		pause = min(pause, max(time.Until(until), time.Millisecond))
	}
	return pause
}

// look looks at the node's links.
func (a *agent) look() {
	links, err := a.list(a.patterns)
	if err != nil {
		a.logger.Warn("can't tell the node's interfaces; what was known holds", "error", err)
		return
	}
	a.links = links
}

// step brings what this node does in line with what is known.
func (a *agent) step(ctx context.Context) {
	a.learn()
	s := a.view.state()
	t := a.lease.current()
	if s == nil || t == nil {
		a.metrics.lease.Set(0)
		a.silence()
		return
	}
	a.metrics.lease.Set(1)
	a.register(ctx, s, t.id)
	wanted := a.wanted(s, t.id)
	a.quieten(s, t.id, wanted)
	a.release(ctx, s, t.id, wanted)
	if s.revision < a.floor {
		return // the view wakes the loop when it has caught up
	}
	a.take(ctx, s, t, wanted)
	a.speak(s, t, wanted)
}

// learn takes in what the registry and those who asked have to say.
func (a *agent) learn() {
	snapshot, changed := a.config.Feed.take()
	for k := range changed {
		a.demands.update(snapshot, k)
	}
	a.mu.Lock()
	verdicts := a.verdicts
	a.verdicts = nil
	a.mu.Unlock()
	for _, v := range verdicts {
		a.judge(v)
	}
}

// judge takes in what came of asking for an address.
func (a *agent) judge(v verdict) {
	delete(a.asking, v.addr)
	switch {
	case v.err != nil:
		a.blocked[v.addr] = time.Now().Add(crossed)
		a.logger.Error("can't ask whether another host has an address, so it isn't announced", "address", v.addr, "error", v.err)
	case v.free:
		a.cleared[v.addr] = time.Now()
	case v.asks:
		a.blocked[v.addr] = time.Now().Add(crossed/2 + jitter(crossed))
	default:
		a.blocked[v.addr] = time.Now().Add(a.leave - jitter(a.leave/4))
		a.metrics.conflicts.Inc()
		a.logger.Error("another host has an address that svcreg gave to a service: it isn't announced. Take it from the host, or out of the pool",
			"address", v.addr, "host", v.by)
	}
}

// silence ends all that is said.
func (a *agent) silence() {
	for addr := range a.speaking {
		a.speaker.drop(addr)
	}
	for addr := range a.asking {
		a.speaker.drop(addr)
	}
	clear(a.speaking)
	clear(a.asking)
}

// register writes this node's record if it isn't what etcd has.
func (a *agent) register(ctx context.Context, s *state, id clientv3.LeaseID) {
	m := &member{Subnets: subnetsOf(a.links), Local: map[netip.Addr]int{}}
	for addr, holders := range s.allocated {
		if n := a.demands.at(addr, holders).here; n > 0 {
			m.Local[addr] = n
		}
	}
	a.missed(s, id)
	if a.registered == id && m.equal(a.record) {
		return
	}
	if a.registered != id {
		a.floor, a.record = 0, nil
		clear(a.doubtful)
	}
	revision, err := a.claims.register(ctx, id, m)
	if err != nil {
		a.again, a.record = true, nil
		a.logger.Warn("this node's record isn't written", "error", err)
		return
	}
	a.registered, a.record, a.written = id, m, revision
}

// missed looks for what became of this node's record. One that was deleted is
// written again. One that another node has written, of the same name, stays:
// that node announces, and this one doesn't.
func (a *agent) missed(s *state, id clientv3.LeaseID) {
	if a.registered != id || s.revision < a.written {
		return
	}
	holder, there := s.leases[a.node]
	if !there {
		a.record = nil
	}
	if other := there && holder != id; other != a.namesake {
		a.namesake = other
		if other {
			a.logger.Error("another node has the name of this one, which announces nothing while that is so", "node", a.node)
		}
	}
}

// wanted returns the addresses that this node is chosen for, and where they
// are announced.
func (a *agent) wanted(s *state, id clientv3.LeaseID) map[netip.Addr][]link {
	wanted := map[netip.Addr][]link{}
	if s.leases[a.node] != id {
		return wanted // not known to others yet
	}
	for addr, holders := range s.allocated {
		to := linksTo(addr, a.links)
		if len(to) > 0 && choose(addr, a.demands.at(addr, holders).anywhere, s.members) == a.node {
			wanted[addr] = to
		}
	}
	for addr := range a.blocked {
		if wanted[addr] == nil {
			delete(a.blocked, addr)
		}
	}
	a.metrics.disputed.Set(float64(len(a.blocked)))
	return wanted
}

// quieten ends what isn't this node's to say any more.
func (a *agent) quieten(s *state, id clientv3.LeaseID, wanted map[netip.Addr][]link) {
	for addr, links := range a.speaking {
		to := wanted[addr]
		if s.claims[addr].lease != id || !slices.EqualFunc(links, to, link.same) {
			a.speaker.drop(addr)
			delete(a.speaking, addr)
		}
	}
	for addr := range a.asking {
		if wanted[addr] == nil {
			a.speaker.drop(addr)
			delete(a.asking, addr)
		}
	}
}

// release gives up what this node has claimed and isn't chosen for any more,
// after it has ceased to announce it. A claim of which it isn't known whether
// it was released is not to be relied on, so it is released again.
func (a *agent) release(ctx context.Context, s *state, id clientv3.LeaseID, wanted map[netip.Addr][]link) {
	held := map[netip.Addr]claim{}
	for addr, c := range s.claims {
		if c.lease == id && (wanted[addr] == nil || a.doubtful[addr]) {
			held[addr] = c
		}
	}
	maps.DeleteFunc(a.doubtful, func(addr netip.Addr, _ bool) bool { return s.claims[addr].lease != id })
	if len(held) == 0 || s.revision < a.floor {
		return
	}
	revision, err := a.claims.release(ctx, held)
	if err != nil {
		a.again = true
		a.logger.Warn("addresses that others may announce aren't released yet", "error", err)
	}
	for addr := range held {
		if err != nil {
			a.doubtful[addr] = true
		} else {
			delete(a.doubtful, addr)
		}
	}
	a.floor = max(a.floor, revision)
}

// take claims the addresses that nobody has claimed, of which it is known that
// no other host has them; for the others it has that found out.
func (a *agent) take(ctx context.Context, s *state, t *term, wanted map[netip.Addr][]link) {
	var free []netip.Addr
	for addr, links := range wanted {
		if _, claimed := s.claims[addr]; claimed || a.asking[addr] || time.Now().Before(a.blocked[addr]) {
			continue
		}
		delete(a.blocked, addr)
		if time.Since(s.left[addr]) < fresh || time.Since(a.cleared[addr]) < fresh {
			free = append(free, addr)
			continue
		}
		a.asking[addr] = true
		a.speaker.probe(addr, links, &t.fence, a.tell)
	}
	maps.DeleteFunc(a.cleared, func(_ netip.Addr, at time.Time) bool { return time.Since(at) > fresh })
	if len(free) == 0 {
		return
	}
	revision, err := a.claims.take(ctx, t.id, free)
	if err != nil {
		a.again = true
		a.logger.Warn("addresses aren't claimed yet", "error", err)
	}
	a.floor = max(a.floor, revision)
}

// tell has the loop judge a verdict.
func (a *agent) tell(v verdict) {
	a.mu.Lock()
	a.verdicts = append(a.verdicts, v)
	a.mu.Unlock()
	nudge(a.judged)
}

// speak begins to announce what this node has claimed.
func (a *agent) speak(s *state, t *term, wanted map[netip.Addr][]link) {
	for addr, links := range wanted {
		if s.claims[addr].lease != t.id || a.speaking[addr] != nil || a.doubtful[addr] {
			continue
		}
		if err := a.speaker.announce(addr, links, &t.fence); err != nil {
			a.again = true
			a.logger.Error("can't announce an address", "address", addr, "error", err)
			continue
		}
		a.speaking[addr] = links
	}
}
