package external

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// manyStore is a registry of many services in which nothing is written down but
// the slices.
type manyStore map[registry.Key]*source

func (m manyStore) read(_ context.Context, k registry.Key, _ []registry.Key) (*source, error) {
	src := *m[k]
	return &src, nil
}

func (m manyStore) write(context.Context, *change) error { return nil }

func (manyStore) networks(context.Context) ([]netip.Prefix, error) { return nil, nil }

func (m manyStore) lift(context.Context, registry.Key) error { return nil }

// newManyStore returns a registry of services that are checked by TCP, and the
// changes that made it. Their endpoints stand at 100.64.0.0/16 on a port.
func newManyStore(b *testing.B, services, each int, port uint16, interval time.Duration) (manyStore, *registry.Snapshot, *registry.Changes) {
	annotations := map[string]string{CheckAnnotation: "tcp", IntervalAnnotation: interval.String()}
	how, err := parseCheck(annotations)
	if err != nil {
		b.Fatal(err)
	}
	store := manyStore{}
	var puts []registry.Change
	for i := range services {
		k := registry.Key{Namespace: "my-ns", Name: fmt.Sprint("web-", i)}
		web := &registry.Service{Meta: registry.Meta{Kind: registry.KindService, Key: k, Annotations: annotations}}
		subset := registry.Subset{Ports: []registry.EndpointPort{{Protocol: registry.TCP, Port: port}}}
		for j := range each {
			n := i*each + j
			subset.Endpoints = append(subset.Endpoints, registry.Endpoint{Addr: netip.AddrFrom4([4]byte{100, 64, byte(n >> 8), byte(n)}), Ready: true})
		}
		store[k] = &source{service: web, check: how, subsets: []registry.Subset{subset}}
		puts = append(puts, registry.Put(web))
	}
	snapshot, changes := (&registry.Snapshot{}).Apply(1, puts...)
	return store, snapshot, changes
}

// acceptAll closes all connections to a port of the loopback network.
func acceptAll(b *testing.B) (port uint16) {
	b.Helper()
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		b.Fatal(err)
	}
	var accepting sync.WaitGroup
	b.Cleanup(func() { l.Close(); accepting.Wait() })
	accepting.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	})
	return netip.MustParseAddrPort(l.Addr().String()).Port()
}

// lateness notes how much later than its period each check came.
type lateness struct {
	mu     sync.Mutex
	last   map[target]time.Time
	late   []time.Duration
	failed atomic.Int64
}

func (l *lateness) begun(t target, period time.Duration) {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if last, again := l.last[t]; again {
		l.late = append(l.late, max(0, now.Sub(last)-period))
	}
	l.last[t] = now
}

// report tells of what was noted since the last time.
func (l *lateness) report(b *testing.B, took, cpu time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.late) == 0 {
		b.Fatal("no check was made twice")
	}
	slices.Sort(l.late)
	at := func(share float64) float64 {
		return float64(l.late[int(share*float64(len(l.late)-1))]) / float64(time.Millisecond)
	}
	b.ReportMetric(float64(len(l.late))/took.Seconds(), "checks/s")
	b.ReportMetric(100*cpu.Seconds()/took.Seconds(), "cpu-%")
	b.ReportMetric(at(0.5), "late-p50-ms")
	b.ReportMetric(at(0.99), "late-p99-ms")
	b.ReportMetric(at(1), "late-max-ms")
	b.ReportMetric(float64(l.failed.Load()), "failed")
}

func cpuTime() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// Ten thousand endpoints of a hundred services, each checked by a real
// connection over loopback in each interval; an iteration is an interval. The
// processor's time is that of both sides, in percent of one core. Late is how
// much more than its period lies between an endpoint's checks.
func BenchmarkChecks(b *testing.B) {
	for _, interval := range []time.Duration{10 * time.Second, 2 * time.Second} {
		b.Run(fmt.Sprintf("endpoints=10000/interval=%v", interval), func(b *testing.B) {
			store, snapshot, changes := newManyStore(b, 100, 100, acceptAll(b), interval)
			c := newController(Config{Logger: quiet}.withDefaults(), newMetrics(), store)
			seen := &lateness{last: map[target]time.Time{}}
			c.probe = func(ctx context.Context, how *check, t target) error {
				seen.begun(t, how.period())
				ip := t.addr.Addr().As4()
				t.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, ip[2], ip[3]}), t.addr.Port())
				err := how.probe(ctx, t)
				if err != nil {
					seen.failed.Add(1)
				}
				return err
			}
			ctx, cancel := context.WithCancel(b.Context())
			c.inbox.put(snapshot, changes)
			var running sync.WaitGroup
			running.Go(func() { c.loop(ctx); c.running.Wait() })
			defer func() { cancel(); running.Wait() }()
			time.Sleep(interval) // until all have been checked once
			seen.mu.Lock()
			seen.late = nil
			b.Logf("%d checks failed at first", seen.failed.Swap(0))
			seen.mu.Unlock()
			b.ResetTimer()
			start, used := time.Now(), cpuTime()
			time.Sleep(time.Duration(b.N) * interval)
			seen.report(b, time.Since(start), cpuTime()-used)
		})
	}
}
