package external

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// fast are annotations for tests that don't want to wait.
var fast = []string{IntervalAnnotation, "1s", TimeoutAnnotation, "500ms", RiseAnnotation, "2", FallAnnotation, "2"}

// listen accepts connections at an address outside, as tests have it, and
// closes them.
func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	return l
}

// outsiders returns listeners of some endpoints, and where the registry has
// these.
func outsiders(t *testing.T, n int) (listeners []net.Listener, addresses []string) {
	t.Helper()
	port := "0"
	for i := 1; i <= n; i++ {
		l := listen(t, fmt.Sprintf("127.1.0.%d:%s", i, port))
		_, port, _ = net.SplitHostPort(l.Addr().String())
		listeners, addresses = append(listeners, l), append(addresses, fmt.Sprintf("192.0.2.%d:%s", i, port))
	}
	return listeners, addresses
}

// passed waits until so many checks were passed: the first of an endpoint
// decides alone, and may meet one that is just going.
func (f *fleet) passed(n float64) {
	f.t.Helper()
	f.await(func() string {
		if got := registrytest.Metric(f.t, f.metrics.checks.WithLabelValues("pass")); got < n {
			return fmt.Sprintf("%v checks were passed, want %v", got, n)
		}
		return ""
	})
}

// Who fails goes out and says why, who passes comes back, and when all fail all
// stay in; the next leader goes on from there.
func TestTCPChecks(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	l, at := outsiders(t, 3)
	f.put(svc("web", "10.96.0.1", append(fast, CheckAnnotation, "tcp")...), eps("web", at...))
	f.start()
	f.want("web", at...)
	f.passed(3)
	l[1].Close()
	failing := "failing: " + at[1] + ": connection refused"
	f.want("web", "!"+at[1], at[0], at[2], failing)
	before := f.slices("web")
	f.stop()
	f.start()
	f.never("web", "!"+at[1], at[0], at[2], failing)
	if after := f.slices("web"); !reflect.DeepEqual(before, after) {
		t.Errorf("the next leader wrote %+v where there was %+v", after[0], before[0])
	}
	l[0].Close()
	l[2].Close()
	f.want("web", append(slices.Clone(at), "panic: 0 of 3 endpoints pass their checks; all stay in service",
		"failing: "+at[0]+": connection refused", failing, "failing: "+at[2]+": connection refused")...)
	if !strings.Contains(f.log(), "all stay in") {
		t.Errorf("the panic isn't in the log:\n%s", f.log())
	}
	listen(t, l[1].Addr().String())
	f.want("web", "!"+at[0], "!"+at[2], at[1], "failing: "+at[0]+": connection refused", "failing: "+at[2]+": connection refused")
	f.put(svc("web", "10.96.0.1"))
	f.want("web", "")
}

// The share at which a panic begins can be set.
func TestPanicShare(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.config.PanicShare = 0.5
	l, at := outsiders(t, 3)
	f.put(svc("web", "10.96.0.1", append(fast, CheckAnnotation, "tcp")...), eps("web", at...))
	f.start()
	f.want("web", at...)
	f.passed(3)
	l[0].Close()
	f.want("web", "!"+at[0], at[1], at[2], "failing: "+at[0]+": connection refused")
	l[1].Close()
	f.want("web", append(slices.Clone(at), "panic: 1 of 3 endpoints pass their checks; all stay in service",
		"failing: "+at[0]+": connection refused", "failing: "+at[1]+": connection refused")...)
}

// What can't be checked is said, and the endpoints stay in.
func TestUnusableSettings(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.put(svc("web", "10.96.0.1", CheckAnnotation, "ping"), eps("web", "192.0.2.1:80"))
	f.put(svc("udp", "10.96.0.2", CheckAnnotation, "tcp"), `{"kind":"Endpoints","apiVersion":"v1beta1","id":"udp","namespace":"my-ns",
		"protocol":"UDP","endpoints":["192.0.2.1:53"]}`)
	f.put(svc("sliced", "10.96.0.3", CheckAnnotation, "tcp"), `{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"mine","namespace":"my-ns",
		"labels":{"kubernetes.io/service-name":"sliced"}},"addressType":"IPv4","endpoints":[{"addresses":["192.0.2.1"]}],"ports":[{"port":80}]}`)
	f.start()
	f.want("web", "192.0.2.1:80", `not checked: svcreg.io/health-check: "ping": want tcp, http://:PORT/PATH, https://:PORT/PATH, dns or none`)
	f.want("udp", "192.0.2.1:53", "not checked: no endpoint has a port for tcp")
	f.want("sliced", "nobody", "not checked: the service has EndpointSlices that others made")
	f.wantBackends("sliced", "192.0.2.1:80")
}

// Run elects a leader, who does all this; the next one takes over.
func TestRun(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.dns.set("db.example.com. 0 A 192.0.2.1")
	f.put(svc("db", "10.96.0.1"), eps("db", "db.example.com:5432"))
	f.config.LeaderTTL = 2 * time.Second
	stops := map[string]func(){}
	for _, node := range []string{"a", "b"} {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		c := f.config
		c.Node = node
		go func() { done <- Run(ctx, c) }()
		stops[node] = func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("Run: %v", err)
			}
		}
	}
	f.want("db", "192.0.2.1:5432")
	response, err := f.client.Get(t.Context(), "/registry/svcreg/leaders/external")
	if err != nil || len(response.Kvs) != 1 {
		t.Fatalf("nobody leads: %v", err)
	}
	first := string(response.Kvs[0].Value)
	stops[first]()
	delete(stops, first)
	f.dns.set("db.example.com. 0 A 192.0.2.2")
	f.want("db", "192.0.2.2:5432")
	for _, stop := range stops {
		stop()
	}
}

// Each method tells who serves from who doesn't.
func TestProbe(t *testing.T) {
	t.Parallel()
	names := startNameServer(t)
	dead := listen(t, "127.1.0.1:0")
	dead.Close()
	mute, err := net.Listen("tcp", "127.1.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host != "db.example.com":
			w.WriteHeader(http.StatusMisdirectedRequest)
		case r.URL.RequestURI() == "/ok?a=b":
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/bad", http.StatusFound)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	plainServer, secure := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	defer plainServer.Close()
	defer secure.Close()
	broken := startNameServer(t)
	broken.fail(2)
	tests := []struct {
		method, path string
		address      string
		protocol     registry.Protocol
		want         string
	}{
		{"tcp", "", plainServer.Listener.Addr().String(), registry.TCP, ""},
		{"tcp", "", dead.Addr().String(), registry.TCP, "connection refused"},
		{"http", "/ok?a=b", plainServer.Listener.Addr().String(), registry.TCP, ""},
		{"http", "/moved", plainServer.Listener.Addr().String(), registry.TCP, ""},
		{"http", "/bad", plainServer.Listener.Addr().String(), registry.TCP, "HTTP status 503"},
		{"http", "/ok?a=b", mute.Addr().String(), registry.TCP, "timeout"},
		{"http", "/ok?a=b", dead.Addr().String(), registry.TCP, "connection refused"},
		{"https", "/ok?a=b", secure.Listener.Addr().String(), registry.TCP, ""},
		{"https", "/bad", secure.Listener.Addr().String(), registry.TCP, "HTTP status 503"},
		{"dns", "", names.address, registry.UDP, ""},
		{"dns", "", names.address, registry.TCP, ""},
		{"dns", "", broken.address, registry.UDP, "DNS SERVFAIL"},
		{"dns", "", dead.Addr().String(), registry.UDP, "connection refused"},
	}
	for _, tt := range tests {
		c := check{method: tt.method, path: tt.path, timeout: 300 * time.Millisecond}
		err := c.probe(t.Context(), target{netip.MustParseAddrPort(tt.address), tt.protocol, "db.example.com"})
		if got := text(err); got != tt.want {
			t.Errorf("%s %s %s: got %q, want %q", tt.method, tt.path, tt.protocol, got, tt.want)
		}
	}
}

// memoryStore is a registry of one service; what is written stands at once.
type memoryStore struct {
	source
	readyAt map[netip.Addr]bool
	changed func()
}

func (m *memoryStore) read(context.Context, registry.Key, []registry.Key) (*source, error) {
	src := m.source
	return &src, nil
}

func (*memoryStore) networks(context.Context) ([]netip.Prefix, error) { return nil, nil }

func (m *memoryStore) lift(context.Context, registry.Key) error { return nil }

func (m *memoryStore) write(_ context.Context, c *change) error {
	own := map[string]*registry.Endpoints{}
	maps.Copy(own, m.own)
	for _, ref := range c.deletes {
		delete(own, ref.Name)
	}
	m.own = own
	for _, slice := range c.puts {
		own[slice.Name] = slice
		for _, subset := range slice.Subsets {
			for _, e := range subset.Endpoints {
				m.readyAt[e.Addr] = e.Ready
			}
		}
	}
	m.changed()
	return nil
}

// simulate runs a controller over one service with some endpoints for a time,
// by a clock of its own.
func simulate(t *testing.T, annotations map[string]string, n, most int, d time.Duration,
	probe func(context.Context, *check, target) error, changed func(ready map[netip.Addr]bool)) {
	synctest.Test(t, func(t *testing.T) {
		how, err := parseCheck(annotations)
		if err != nil {
			t.Fatal(err)
		}
		meta := registry.Meta{Kind: registry.KindService, Key: registry.Key{Namespace: "my-ns", Name: "web"}, Annotations: annotations}
		web := &registry.Service{Meta: meta}
		subset := registry.Subset{Ports: []registry.EndpointPort{{Protocol: registry.TCP, Port: 80}}}
		for i := range n {
			subset.Endpoints = append(subset.Endpoints, registry.Endpoint{Addr: netip.AddrFrom4([4]byte{192, 0, byte(2 + i>>8), byte(i)}), Ready: true})
		}
		store := &memoryStore{source: source{service: web, check: how, subsets: []registry.Subset{subset}}, readyAt: map[netip.Addr]bool{}}
		store.changed = func() { changed(store.readyAt) }
		c := newController(Config{Logger: quiet, MaxChecks: most}.withDefaults(), newMetrics(), store)
		c.probe = probe
		snapshot, changes := (&registry.Snapshot{}).Apply(1, registry.Put(web))
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		c.inbox.put(snapshot, changes)
		c.loop(ctx)
		c.running.Wait()
	})
}

// An endpoint that fails, in whatever way, is out within interval × fall, and
// back within interval × (rise + 1).
func TestTimeToFall(t *testing.T) {
	annotations := map[string]string{CheckAnnotation: "tcp", IntervalAnnotation: "10s", TimeoutAnnotation: "5s", FallAnnotation: "3", RiseAnnotation: "2"}
	for offset := range 20 {
		var start, out, back time.Time
		dies, rises := 60*time.Second+time.Duration(offset)*time.Second/2, 200*time.Second
		victim := netip.MustParseAddr("192.0.2.1")
		probe := func(ctx context.Context, _ *check, at target) error {
			if start.IsZero() {
				start = time.Now()
			}
			if age := time.Since(start); at.addr.Addr() == victim && age >= dies && age < rises {
				select {
				case <-ctx.Done():
				case <-time.After(5 * time.Second):
				}
				return errors.New("timeout")
			}
			return nil
		}
		simulate(t, annotations, 3, 0, 5*time.Minute, probe, func(ready map[netip.Addr]bool) {
			switch {
			case !ready[victim] && out.IsZero():
				out = time.Now()
			case ready[victim] && !out.IsZero():
				back = time.Now()
			}
		})
		if took := out.Sub(start.Add(dies)); out.IsZero() || took > 30*time.Second+settle || took < 10*time.Second {
			t.Errorf("out after %v: want about 30s, not more", took)
		}
		if took := back.Sub(start.Add(rises)); back.IsZero() || took > 30*time.Second || took < 0 {
			t.Errorf("back after %v: want at most 30s", took)
		}
	}
}

// Ten thousand endpoints are checked in each interval, spread over it, and never
// more at once than is allowed.
func TestManyChecks(t *testing.T) {
	const n, most = 10000, 300
	var under, peak, all atomic.Int64
	perSecond := map[int64]int{}
	var busy atomic.Bool
	start := time.Time{}
	probe := func(context.Context, *check, target) error {
		for !busy.CompareAndSwap(false, true) {
		}
		if start.IsZero() {
			start = time.Now()
		}
		perSecond[int64(time.Since(start)/time.Second)]++
		busy.Store(false)
		peak.Store(max(peak.Load(), under.Add(1)))
		defer under.Add(-1)
		all.Add(1)
		time.Sleep(100 * time.Millisecond)
		return nil
	}
	simulate(t, map[string]string{CheckAnnotation: "tcp", IntervalAnnotation: "10s"}, n, most, 120*time.Second, probe, func(map[netip.Addr]bool) {})
	if p := peak.Load(); p > most || p < most/2 {
		t.Errorf("%d checks at once, want up to %d", p, most)
	}
	if got := all.Load(); got < 11*n || got > 16*n {
		t.Errorf("%d checks of %d endpoints in 12 intervals", got, n)
	}
	peak.Store(0)
	simulate(t, map[string]string{CheckAnnotation: "tcp", IntervalAnnotation: "10s"}, n, n, 15*time.Second, probe, func(map[netip.Addr]bool) {})
	if p := peak.Load(); p > n/16 {
		t.Errorf("%d of %d checks at once: they aren't spread at the beginning", p, n)
	}
	for second := int64(90); second < 110; second++ {
		if got := perSecond[second]; got > 3*n/10 {
			t.Errorf("%d checks in one second of ten: they aren't spread", got)
		}
	}
}
