package proxyd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/svcreg/svcreg/proxyd/conntrack"
	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// syncCall is one call of a fake kernel.
type syncCall struct {
	At      time.Duration // since the world began
	Full    bool
	Changed string // frontends
}

// fakeKernel remembers what it was told.
type fakeKernel struct {
	mu     sync.Mutex
	start  time.Time
	calls  []syncCall
	rules  *rules.Ruleset // of the last success
	portal []netip.Prefix
	fail   func() error // nil: nothing fails
	// generation counts changes; broken says that what stood is gone until the
	// next full sync, blind that nobody can tell.
	generation    uint64
	broken, blind bool
	stuck         bool          // it doesn't get better
	looks         int           // how often Intact was asked
	takes, each   time.Duration // a full sync, any other
}

var _ kernel = (*fakeKernel)(nil)

func (k *fakeKernel) Sync(_ context.Context, r *rules.Ruleset, changed []rules.Frontend, portal []netip.Prefix) error {
	var words []string
	for _, f := range changed {
		words = append(words, f.String())
	}
	k.mu.Lock()
	k.calls = append(k.calls, syncCall{time.Since(k.start), changed == nil, strings.Join(words, " ")})
	fail := k.fail
	k.mu.Unlock()
	if changed == nil {
		time.Sleep(k.takes)
	} else {
		time.Sleep(k.each)
	}
	if fail != nil {
		if err := fail(); err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.rules, k.portal = r, portal
	k.generation++
	k.broken = k.broken && (changed != nil || k.stuck)
	return nil
}

func (k *fakeKernel) Generation() (uint64, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.generation, nil
}

func (k *fakeKernel) Intact(context.Context) (bool, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.looks++
	if k.blind {
		return false, errors.New("nobody can tell")
	}
	return !k.broken, nil
}

// foreign has others change rules; broken says that ours are gone.
func (k *fakeKernel) foreign(broken bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.generation++
	k.broken = k.broken || broken
}

// alarmed is a fake kernel that tells of changes.
type alarmed struct {
	*fakeKernel
	generations int // asked for
	waits       int
	change      *io.PipeWriter
}

func (k *alarmed) Generation() (uint64, error) {
	k.mu.Lock()
	k.generations++
	k.mu.Unlock()
	return k.fakeKernel.Generation()
}

func (k *alarmed) Changes() (io.ReadCloser, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.waits++
	r, w := io.Pipe()
	k.change = w
	return r, nil
}

// alarm tells of a change.
func (k *alarmed) alarm() {
	k.mu.Lock()
	w := k.change
	k.mu.Unlock()
	_ = w.Close()
}

// asked returns how often it was asked for a generation since the last time.
func (k *alarmed) asked() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.generations
	k.generations = 0
	return n
}

// stands reports whether what was carried out is there.
func (k *fakeKernel) stands() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !k.broken
}

// looked returns how often Intact was asked since the last time.
func (k *fakeKernel) looked() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	n := k.looks
	k.looks = 0
	return n
}

// failing makes the kernel call a function first; nil for none.
func (k *fakeKernel) failing(f func() error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fail = f
}

// took returns the calls since the last time it was asked.
func (k *fakeKernel) took() []syncCall {
	k.mu.Lock()
	defer k.mu.Unlock()
	calls := k.calls
	k.calls = nil
	return calls
}

// listeners are sockets of a test.
type listeners map[rules.Frontend]bool

func (l listeners) Listens(p registry.Protocol, at netip.AddrPort) bool {
	return l[rules.Frontend{Addr: at.Addr(), Protocol: p, Port: at.Port()}]
}

// world is a sync loop that runs in a bubble of its own time.
type world struct {
	*loop
	t        *testing.T
	kernel   *fakeKernel
	snapshot *registry.Snapshot
	deleted  []string // UDP flows, of those in flows
	flows    []string // "TO SERVER"
	notes    []string // what systemd was told
	leaving  bool     // the node is about to go
	log      bytes.Buffer

	mu       sync.Mutex // a timer of the loop does not order what the test did
	sockets  func() (sockets, error)
	noDelete error
}

const (
	minPeriod  = 5 * time.Millisecond
	fullPeriod = 10 * time.Minute
)

// inWorld runs a test in a bubble, with a loop that runs until it returns.
func inWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- w.run(ctx) }()
		synctest.Wait()
		test(w)
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the loop ended with %v", err)
		}
	})
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, kernel: &fakeKernel{start: time.Now()}, snapshot: registry.Build(0)}
	w.sockets = func() (sockets, error) { return listeners{}, nil }
	logger := slog.New(slog.NewTextHandler(&w.log, nil))
	told := newTeller(logger)
	told.send = func(state string) { w.notes = append(w.notes, state) }
	w.loop = &loop{
		min: minPeriod, full: fullPeriod, inbox: newInbox(), kernel: w.kernel, metrics: newMetrics(), told: told, logger: logger,
		flows:  &staleFlows{deleteUDP: w.deleteUDP, took: func(time.Time) {}},
		policy: &policy{listening: w.listening, logger: logger},
	}
	w.checks = newHealthChecks(nil, w.health().healthy, logger)
	w.sentry = newSentry(w.kernel)
	w.latency = newLatency(w.metrics.programming.Observe)
	return w
}

// listen sets what the loop hears of sockets.
func (w *world) listen(f func() (sockets, error)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sockets = f
}

func (w *world) listening() (sockets, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sockets()
}

// keepFlows makes deleting flows fail; nil mends it.
func (w *world) keepFlows(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.noDelete = err
}

// deleteUDP does what the kernel does: with the flows that it is to look for,
// if it is told, else with those that are said to be stale.
func (w *world) deleteUDP(s conntrack.Stale) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.noDelete != nil {
		return w.noDelete
	}
	var left []string
	for _, flow := range w.flows {
		to, server, _ := strings.Cut(flow, " ")
		f := conntrack.Flow{To: netip.MustParseAddrPort(to), Server: netip.MustParseAddrPort(server)}
		stale := s.Is(f)
		if s.Only != nil && stale != slices.Contains(s.Only, f) {
			w.t.Errorf("flow %v: stale %t, but only %v are", f, stale, s.Only)
		}
		if stale {
			w.deleted = append(w.deleted, flow)
		} else {
			left = append(left, flow)
		}
	}
	w.flows = left
	return nil
}

// write changes the registry, and lets the loop know at once.
func (w *world) write(changes ...registry.Change) {
	var touched *registry.Changes
	w.snapshot, touched = w.snapshot.Apply(w.snapshot.Revision()+1, changes...)
	w.inbox.put(w.snapshot, touched)
}

// pass lets time go by, until the loop waits again.
func (w *world) pass(d time.Duration) {
	time.Sleep(d) // of the bubble: nobody waits
	synctest.Wait()
}

// began writes a first service, and lets the loop take it in.
func (w *world) began() {
	w.t.Helper()
	w.write(service("first", "10.0.0.1", "TCP"), endpoints("first", "10.1.0.1"))
	w.pass(minPeriod)
	if calls := w.kernel.took(); len(calls) != 1 || !calls[0].Full {
		w.t.Fatalf("syncs %v, want a full one", calls)
	}
}

// service returns a service with one port, 80.
func service(name, portal string, protocol registry.Protocol, public ...string) registry.Change {
	s := &registry.Service{
		Meta:      registry.Meta{Kind: registry.KindService, Key: key(name)},
		Type:      registry.ClusterIP,
		PortalIPs: []netip.Addr{netip.MustParseAddr(portal)},
		Ports:     []registry.Port{{Protocol: protocol, Port: 80}},
	}
	for _, p := range public {
		s.PublicIPs = append(s.PublicIPs, netip.MustParseAddr(p))
	}
	return registry.Put(s)
}

// endpoints returns the ready endpoints of a service, on port 8080 of both
// protocols.
func endpoints(name string, addrs ...string) registry.Change {
	e := &registry.Endpoints{Meta: registry.Meta{Kind: registry.KindEndpoints, Key: key(name)}, Service: key(name)}
	for _, p := range []registry.Protocol{registry.TCP, registry.UDP} {
		subset := registry.Subset{Ports: []registry.EndpointPort{{Protocol: p, Port: 8080}}}
		for _, a := range addrs {
			subset.Endpoints = append(subset.Endpoints, registry.Endpoint{Addr: netip.MustParseAddr(a), Ready: true, Serving: true})
		}
		e.Subsets = append(e.Subsets, subset)
	}
	return registry.Put(e)
}

func gone(kind registry.Kind, name string) registry.Change {
	return registry.Delete(registry.Ref{Kind: kind, Key: key(name)})
}

func key(name string) registry.Key { return registry.Key{Namespace: "ns", Name: name} }

// count returns how often systemd was told something.
func (w *world) count(note string) int {
	return len(slices.DeleteFunc(slices.Clone(w.notes), func(n string) bool { return n != note }))
}

// waitingFor returns how long the oldest change has waited for the kernel.
func (w *world) waitingFor() time.Duration {
	since, _ := w.inbox.waiting()
	if since.IsZero() {
		return 0
	}
	return time.Since(since)
}

// gaugeValue returns a metric's value, the sum over its labels.
func gaugeValue(t *testing.T, m *metrics, name string) (sum float64) {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			for _, one := range f.GetMetric() {
				sum += one.GetGauge().GetValue() + one.GetCounter().GetValue()
			}
			return sum
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}
