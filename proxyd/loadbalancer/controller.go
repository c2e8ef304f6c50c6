package loadbalancer

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/svcreg/svcreg/proxyd/loadbalancer/pool"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/watch"
	"github.com/svcreg/svcreg/registry/write"
)

// controller gives addresses away while this node leads. All but what it starts
// is one goroutine's.
type controller struct {
	*Config
	writer  *write.Writer
	metrics *metrics
	hooks   *hooks // nil without a hook

	snapshot *registry.Snapshot // nil until it is known
	book     *pool.Book         // nil until it is known
	lists    *lists
	dirty    map[registry.Key]bool
	notes    map[registry.Key]Note // what stands in etcd
	wanting  map[registry.Key]bool // the services that want an address
	retry    retries
	wrote    map[registry.Key]int64 // the revisions of what was written to services, until they are seen

	shown   time.Time // when the metrics were last brought up to date
	unshown bool      // whether they may be wrong
}

// change is news of services.
type change struct {
	snapshot *registry.Snapshot
	services []registry.Key
}

// lead gives addresses away until ctx ends.
func lead(ctx context.Context, config *Config, writer *write.Writer, m *metrics) error {
	c := &controller{
		Config: config, writer: writer, metrics: m, lists: newLists(),
		dirty: map[registry.Key]bool{}, wanting: map[registry.Key]bool{},
		retry: newRetries(), wrote: map[registry.Key]int64{},
	}
	defer m.reset()
	if err := c.readNotes(ctx); err != nil {
		return err
	}
	if c.Hook != "" {
		c.hooks = newHooks(config, m)
		if err := c.hooks.load(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	if c.hooks != nil {
		defer c.hooks.running.Wait()
	}
	defer cancel()
	changes, updates := make(chan change), make(chan pool.Update)
	watcher, err := c.watcher(ctx, changes)
	if err != nil {
		return err
	}
	running.Go(func() { _ = watcher.Run(ctx) })
	running.Go(func() {
		pool.Follow(ctx, c.Client, c.Layout, c.Logger, func(u pool.Update) { send(ctx, updates, u) })
	})
	return c.loop(ctx, changes, updates)
}

// watcher follows the services, of which little is kept.
func (c *controller) watcher(ctx context.Context, changes chan<- change) (*watch.Watcher, error) {
	return watch.New(watch.Config{
		Client: c.Client, Layout: c.Layout, Kinds: []registry.Kind{registry.KindService}, Logger: c.Logger,
		Trim: trim,
		Notify: func(s *registry.Snapshot, changed *registry.Changes) {
			send(ctx, changes, change{s, slices.Clone(changed.Services)})
		},
	})
}

// trim leaves of a service what says whether it is of interest. What it wants
// is read when that is so.
func trim(o registry.Object) {
	if s, ok := o.(*registry.Service); ok {
		meta := registry.Meta{Kind: s.Kind, Key: s.Key, CreateRevision: s.CreateRevision, ModRevision: s.ModRevision}
		*s = registry.Service{Meta: meta, Type: s.Type, PublicIPs: s.PublicIPs, LoadBalancerIPs: s.LoadBalancerIPs}
	}
}

// send hands a value over, unless ctx ends first.
func send[T any](ctx context.Context, to chan<- T, v T) {
	select {
	case to <- v:
	case <-ctx.Done():
	}
}

// loop takes news in, and does what follows from it.
func (c *controller) loop(ctx context.Context, changes <-chan change, updates <-chan pool.Update) error {
	var results <-chan result
	if c.hooks != nil {
		results = c.hooks.results
	}
	for {
		timer := time.NewTimer(c.pause())
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case n := <-changes:
			c.changed(n)
		case u := <-updates:
			c.updated(u)
		case r := <-results:
			c.hooks.took(r)
			c.dirty[r.service] = true
		case <-timer.C:
		}
		timer.Stop()
		if err := c.settle(ctx); err != nil {
			return err
		}
	}
}

// changed takes in news of services.
func (c *controller) changed(n change) {
	c.snapshot = n.snapshot
	for _, k := range n.services {
		s := n.snapshot.Spec(k)
		if c.lists.set(k, s) {
			c.awaken()
		}
		if c.interesting(k, s) && !c.echo(k, s) {
			c.dirty[k] = true
		}
	}
}

// echo reports whether what is seen of a service is what was written to it here.
// To a hook that is news all the same.
func (c *controller) echo(k registry.Key, s *registry.Service) bool {
	mine := s != nil && c.wrote[k] == s.ModRevision
	delete(c.wrote, k)
	return mine && c.hooks == nil
}

// interesting reports whether a service may need something.
func (c *controller) interesting(k registry.Key, s *registry.Service) bool {
	_, noted := c.notes[k]
	return noted || c.wanting[k] || s != nil && (s.Type == registry.LoadBalancer || len(s.LoadBalancerIPs) > 0) ||
		c.book != nil && len(c.book.Held(k)) > 0 || c.hooks.knows(k)
}

// updated takes in news of pools and claims. A claim that this node wrote is
// none.
func (c *controller) updated(u pool.Update) {
	all := u.Anew || len(u.Pools) > 0
	if c.book == nil {
		c.book = pool.NewBook()
	}
	touch := func(claim *pool.Claim) {
		for i := range claim.Holders {
			c.dirty[claim.Holders[i].Key()] = true
		}
	}
	for a, next := range u.Claims {
		old := c.book.Claim(a)
		if old != nil && next != nil && old.Revision >= next.Revision || old == nil && next == nil {
			continue
		}
		if old != nil {
			touch(old)
			c.awaken()
		}
		if next != nil {
			touch(next)
		}
	}
	c.book.Apply(u)
	if all {
		c.everything()
	}
}

// everything has all services looked at that may need something.
func (c *controller) everything() {
	if c.snapshot != nil {
		for s := range c.snapshot.Specs() {
			if c.interesting(s.Key, s) {
				c.dirty[s.Key] = true
			}
		}
	}
	for k := range c.book.Holders() {
		c.dirty[k] = true
	}
	for k := range c.hooks.known() {
		c.dirty[k] = true
	}
	for k := range c.notes {
		c.dirty[k] = true
	}
}

// awaken has the services looked at that lack something: it may be there now.
func (c *controller) awaken() {
	for k := range c.notes {
		c.dirty[k] = true
	}
}

// settle looks at services that may need something.
func (c *controller) settle(ctx context.Context) error {
	if c.snapshot == nil || c.book == nil {
		return nil
	}
	now := time.Now()
	for k := range c.retry.due(now) {
		c.dirty[k] = true
	}
	if c.hooks != nil {
		for k := range c.hooks.retry.due(now) {
			c.dirty[k] = true
		}
	}
	for k := range c.expired(now) {
		c.dirty[k] = true
	}
	defer func() { c.show(time.Now()) }()
	if len(c.dirty) == 0 {
		return nil
	}
	for _, k := range c.inOrder() {
		delete(c.dirty, k)
		err := c.reconcile(ctx, k)
		switch {
		case ctx.Err() != nil:
			return nil
		case write.IsForeign(err):
			return err
		case err == nil:
			c.retry.done(k)
		default:
			c.failed(k, now, err)
		}
	}
	c.unshown = true
	return nil
}

// failed has a service looked at again after a while. Who says so once has said
// it; to lose a race is nothing to speak of.
func (c *controller) failed(k registry.Key, now time.Time, err error) {
	log := c.Logger.Error
	if c.retry.failures[k] > 0 || errors.Is(err, write.ErrChanged) {
		log = c.Logger.Debug
	}
	log("a service that may want an address is tried again", "service", k.String(), "error", err)
	c.retry.failed(k, now)
}

// show brings the metrics up to date, now and then.
func (c *controller) show(now time.Time) {
	if c.unshown && now.Sub(c.shown) >= showPause {
		failing := c.failing()
		c.metrics.show(c.book, len(c.wanting)-failing, failing)
		c.shown, c.unshown = now, false
	}
}

// failing counts the services that want an address and lack something.
func (c *controller) failing() int {
	n := 0
	for k := range c.notes {
		if c.wanting[k] {
			n++
		}
	}
	return n
}

// inOrder returns the services to be looked at next: a few, so that no news wait
// for long. Those that are gone come first, as what they free others may need;
// then those that hold nothing yet, and of these the older ones.
func (c *controller) inOrder() []registry.Key {
	type one struct {
		*registry.Service
		holds bool
	}
	var all []one
	for k := range c.dirty {
		s, holds := c.snapshot.Spec(k), len(c.book.Held(k)) > 0
		if s == nil {
			s, holds = &registry.Service{Meta: registry.Meta{Key: k}}, false
		}
		all = append(all, one{s, holds})
	}
	slices.SortFunc(all, func(a, b one) int {
		switch {
		case a.holds != b.holds && b.holds, a.holds == b.holds && a.Before(b.Service):
			return -1
		}
		return 1
	})
	var keys []registry.Key
	for _, s := range all[:min(len(all), atATime)] {
		keys = append(keys, s.Key)
	}
	return keys
}

// expired returns the services whose grace time is over.
func (c *controller) expired(now time.Time) map[registry.Key]bool {
	over := map[registry.Key]bool{}
	for k, gone := range c.book.Gone() {
		if !now.Before(gone.Add(c.Grace)) && !c.hooks.knows(k) {
			over[k] = true
		}
	}
	return over
}

const (
	// longestPause is how long the loop rests at most.
	longestPause = time.Minute
	// atATime is how many services are looked at before news are.
	atATime = 200
	// showPause is how old metrics may be.
	showPause = time.Second
)

// pause returns when the loop has something to do again without news.
func (c *controller) pause() time.Duration {
	now := time.Now()
	next := now.Add(longestPause)
	if at, ok := c.retry.next(); ok && at.Before(next) {
		next = at
	}
	if c.hooks != nil {
		if at, ok := c.hooks.retry.next(); ok && at.Before(next) {
			next = at
		}
	}
	if c.book == nil || c.snapshot == nil {
		return longestPause
	}
	if len(c.dirty) > 0 {
		return 0
	}
	if c.unshown && next.Sub(now) > showPause {
		next = now.Add(showPause)
	}
	for _, gone := range c.book.Gone() {
		if at := gone.Add(c.Grace); at.After(now) && at.Before(next) {
			next = at
		}
	}
	return max(0, next.Sub(now))
}
