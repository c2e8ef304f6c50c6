package external

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/watch"
	"github.com/svcreg/svcreg/registry/write"
)

const (
	// mostJobs is how many services are read or written at once.
	mostJobs = 8
	// callTimeout bounds one of these.
	callTimeout = 10 * time.Second
	// settle is the least time between two writes of a service, so that checks
	// which fail together become one, and settleEach what each endpoint adds,
	// so that large services don't take all of a core.
	settle, settleEach = 100 * time.Millisecond, 50 * time.Microsecond
	// leastPause and mostPause bound the pauses after what failed.
	leastPause, mostPause = 200 * time.Millisecond, 30 * time.Second
)

// registryStore is what the controller needs of a store.
type registryStore interface {
	read(ctx context.Context, service registry.Key, slices []registry.Key) (*source, error)
	write(context.Context, *change) error
	lift(ctx context.Context, service registry.Key) error
	networks(context.Context) ([]netip.Prefix, error)
}

// lookup resolves a name.
type lookup func(ctx context.Context, name string) *answer

// controller looks after the endpoints while this node leads. Its state belongs
// to the goroutine that calls run.
type controller struct {
	Config
	metrics *metrics
	store   registryStore
	lookup  lookup
	probe   func(context.Context, *check, target) error
	logger  *slog.Logger

	inbox    inbox
	snapshot *registry.Snapshot
	networks atomic.Pointer[[]netip.Prefix] // of portal IPs; others read it, too
	agenda   agenda
	services map[registry.Key]*service
	names    map[string]*name
	todo     map[registry.Key]*service // those that can be read or written now
	jobs     int
	checking int      // endpoints that are checked
	probes   int      // under way
	queue    []func() // checks that wait until fewer are
	running  sync.WaitGroup
	results  chan func() // what workers hand back
	foreign  error       // says that the registry is an apiserver's
}

func newController(c Config, m *metrics, s registryStore) *controller {
	return &controller{
		Config: c, metrics: m, store: s, lookup: newResolver(c.Resolver).lookup,
		probe:    func(ctx context.Context, how *check, t target) error { return how.probe(ctx, t) },
		logger:   c.Logger.With("controller", "external"),
		inbox:    inbox{wake: make(chan struct{}, 1)},
		services: map[registry.Key]*service{}, names: map[string]*name{}, todo: map[registry.Key]*service{},
		results: make(chan func()),
	}
}

// run follows the registry until ctx ends, or the registry turns out to be an
// apiserver's, which is an error.
func (c *controller) run(ctx context.Context) error {
	networks, err := c.store.networks(ctx)
	if err != nil {
		c.logger.Warn("portal networks are not known yet", "error", err)
	}
	c.networks.Store(&networks)
	w, err := watch.New(watch.Config{
		Client: c.Client, Layout: c.Layout, Trim: func(o registry.Object) { trim(o, c.suspect) }, Logger: c.Logger, Notify: c.inbox.put,
		Kinds: []registry.Kind{registry.KindService, registry.KindEndpoints, registry.KindEndpointSlice, registry.KindServiceCIDR},
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.running.Go(func() { _ = w.Run(ctx) })
	c.loop(ctx)
	cancel()
	c.running.Wait()
	return c.foreign
}

// loop does what there is to do, one after another.
func (c *controller) loop(ctx context.Context) {
	wake := time.NewTimer(0)
	defer wake.Stop()
	for c.foreign == nil {
		c.agenda.work(time.Now())
		c.startJobs(ctx)
		wake.Reset(c.agenda.wait(time.Now()))
		select {
		case <-ctx.Done():
			return
		case <-wake.C:
		case done := <-c.results:
			done()
		case <-c.inbox.wake:
			c.take(c.inbox.get())
		}
	}
}

// spawn has something done by another goroutine, and what it returns by this
// one.
func (c *controller) spawn(ctx context.Context, work func() (done func())) {
	c.running.Go(func() {
		done := work()
		select {
		case c.results <- done:
		case <-ctx.Done():
		}
	})
}

// take has services that changed read, as far as they concern us.
func (c *controller) take(n news) {
	c.snapshot = n.snapshot
	for k := range n.services {
		s := c.services[k]
		if s == nil {
			if !concerns(n.snapshot, k) {
				continue
			}
			s = &service{key: k, checks: map[target]*checked{}}
			c.services[k] = s
		}
		s.stale = true
		c.ready(s)
	}
	if n.networks {
		networks := n.snapshot.PortalNetworks()
		c.networks.Store(&networks)
		for _, s := range c.services {
			c.touch(s)
		}
	}
}

// touch has a service's slices made anew.
func (c *controller) touch(s *service) {
	s.dirty = true
	c.ready(s)
}

// ready puts a service on the list of what can be done, unless something is
// under way or it has to wait.
func (c *controller) ready(s *service) {
	if !s.busy && s.retry == nil && c.services[s.key] == s {
		c.todo[s.key] = s
	}
}

// startJobs starts to read and write as many services as may be at once.
func (c *controller) startJobs(ctx context.Context) {
	for k, s := range c.todo {
		if c.jobs >= mostJobs {
			return
		}
		delete(c.todo, k)
		switch {
		case s.stale:
			c.read(ctx, s)
		case s.dirty:
			c.publish(ctx, s)
		}
	}
}

// job does something about a service beside the loop.
func (c *controller) job(ctx context.Context, s *service, work func(context.Context) error, done func()) {
	s.busy = true
	c.jobs++
	c.spawn(ctx, func() func() {
		calling, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		err := work(calling)
		return func() {
			s.busy = false
			c.jobs--
			if err != nil {
				c.failed(s, err)
				return
			}
			done()
			if s.stale || s.dirty {
				c.ready(s)
			}
		}
	})
}

// failed has a service read anew after a pause.
func (c *controller) failed(s *service, err error) {
	s.stale, s.dirty = true, true
	if write.IsForeign(err) {
		c.foreign = err
		return
	}
	c.metrics.failures.Inc()
	if s.pause = min(max(leastPause, s.pause*2), mostPause); s.pause > leastPause && s.said != err.Error() {
		s.said = err.Error()
		c.logger.Warn("a service's endpoints can't be looked after at the moment", "service", s.key, "error", err)
	}
	c.later(s, jittered(s.pause))
}

// later leaves a service alone for some time.
func (c *controller) later(s *service, pause time.Duration) {
	delete(c.todo, s.key)
	c.agenda.cancel(s.retry)
	s.retry = c.agenda.at(time.Now().Add(pause), func() {
		s.retry = nil
		c.ready(s)
	})
}

// read reads what the registry says of a service.
func (c *controller) read(ctx context.Context, s *service) {
	s.stale = false
	var src *source
	known := s.slices(c.snapshot)
	c.job(ctx, s, func(ctx context.Context) (err error) {
		src, err = c.store.read(ctx, s.key, known)
		return err
	}, func() { c.adopt(ctx, s, src) })
}

// adopt takes in what was read of a service.
func (c *controller) adopt(ctx context.Context, s *service, src *source) {
	s.source = src
	restored := src.names()
	for host := range src.hosts() {
		c.follow(ctx, s, host, restored[host])
	}
	for host := range s.hosts {
		if !src.hosts()[host] {
			c.leave(s, host)
		}
	}
	s.hosts = src.hosts()
	s.dirty = true
}

// forget drops a service that doesn't concern us any more.
func (c *controller) forget(s *service) {
	for host := range s.hosts {
		c.leave(s, host)
	}
	for t := range s.checks {
		c.uncheck(s, t)
	}
	c.agenda.cancel(s.relift)
	if s.panicking {
		c.metrics.panics.Dec()
	}
	c.metrics.count(s, 0, 0, 0)
	delete(c.services, s.key)
	delete(c.todo, s.key)
}

// jittered shortens a time at random by up to a tenth, so that what began
// together doesn't stay together.
func jittered(d time.Duration) time.Duration {
	return d - rand.N(d/10+1) //nolint:gosec // a jitter is no secret
}

// within returns a random part of a time.
func within(d time.Duration) time.Duration {
	return rand.N(d + 1) //nolint:gosec // a jitter is no secret
}

// news is what changed in the registry.
type news struct {
	snapshot *registry.Snapshot
	services map[registry.Key]bool
	networks bool
}

// inbox collects changes until the loop takes them.
type inbox struct {
	mu   sync.Mutex
	news news
	wake chan struct{}
}

// put adds a change.
func (b *inbox) put(s *registry.Snapshot, changes *registry.Changes) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.news.snapshot = s
	if b.news.services == nil {
		b.news.services = map[registry.Key]bool{}
	}
	for _, k := range changes.Services {
		b.news.services[k] = true
	}
	b.news.networks = b.news.networks || len(changes.ServiceCIDRs) > 0
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// get takes all changes out.
func (b *inbox) get() news {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := b.news
	b.news = news{snapshot: n.snapshot}
	return n
}
