package announce

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/svcreg/svcreg/registry/pause"
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
	joined     time.Time     // when the node came, as others count that
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
	a := &agent{
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
	a.speaker.contested = a.contested
	return a
}

// run announces until ctx ends. A node takes part once it has a registry.
func (a *agent) run(ctx context.Context) error {
	if r := a.config.Registerer; r != nil {
		if err := r.Register(a.metrics); err != nil {
			return fmt.Errorf("announce: %w", err)
		}
		defer r.Unregister(a.metrics)
	}
	select {
	case <-ctx.Done():
		return nil
	case <-a.config.Feed.waiting():
	}
	for ready := a.config.Ready; ready != nil && !ready(); {
		if !pause.Sleep(ctx, retry) {
			return nil
		}
	}
	tasks, inner := errgroup.WithContext(ctx)
	tasks.Go(func() error { return a.view.run(inner) })
	tasks.Go(func() error { return a.lease.run(inner) })
	tasks.Go(func() error { return a.changes.run(inner) })
	tasks.Go(func() error { return a.loop(inner) })
	err := tasks.Wait()
	a.ending(a.normal, "it stops")
	a.speaker.close()
	a.lease.revoke(ctx)
	return err
}

// loop steps whenever something may have changed.
func (a *agent) loop(ctx context.Context) error {
	for looked := (time.Time{}); ; {
		if time.Since(looked) >= linkPeriod {
			a.look()
			looked = time.Now()
		}
		a.again = false
		a.step(ctx)
		timer := time.NewTimer(min(a.pause(), linkPeriod-time.Since(looked)))
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-a.changes.wake:
			looked = time.Time{}
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
	if left := a.config.Settle - time.Since(a.joined); left > 0 {
		pause = min(pause, left)
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
		a.warn(v.addr, "AnnounceFailed", "node %s can't ask whether another host has %v: %v", a.node, v.addr, v.err)
	case v.free:
		a.cleared[v.addr] = time.Now()
	case v.asks:
		a.blocked[v.addr] = time.Now().Add(crossed/2 + pause.Below(crossed))
	default:
		a.blocked[v.addr] = time.Now().Add(a.leave - pause.Below(a.leave/4))
		a.metrics.conflicts.Inc()
		a.logger.Error("another host has an address that svcreg gave to a service: it isn't announced. Take it from the host, or out of the pool",
			"address", v.addr, "host", v.by)
		a.warn(v.addr, "DuplicateAddress", "host %v has %v, so it isn't announced", v.by, v.addr)
	}
}

// tell has the loop judge a verdict.
func (a *agent) tell(v verdict) {
	a.mu.Lock()
	a.verdicts = append(a.verdicts, v)
	a.mu.Unlock()
	nudge(a.judged)
}
