package external

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/watch"
)

// runEndpoints is package endpoints' Run.
var runEndpoints func(context.Context, Config) error

// UseEndpoints says what runEndpoints is.
func UseEndpoints(run func(context.Context, Config) error) bool {
	runEndpoints = run
	return true
}

// selecting runs the controller endpoints until the test ends or stop is called.
func (f *fleet) selecting() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := runEndpoints(ctx, f.config); err != nil {
			f.t.Errorf("endpoints: %v", err)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	f.t.Cleanup(stop)
	return stop
}

// selectingService returns the manifest of a service with a selector.
func selectingService(annotations ...string) string {
	return strings.Replace(svc("web", "10.96.0.1", annotations...), `"ports"`, `"selector":{"app":"web"},"ports"`, 1)
}

// pod returns the manifest of a pod that serves at an address and a port, which
// the service has as its target.
func pod(name, at, ready string) string {
	addr := netip.MustParseAddrPort(at)
	return fmt.Sprintf(`{"kind":"Pod","apiVersion":"v1","metadata":{"name":%q,"namespace":"my-ns","labels":{"app":"web"}},
		"spec":{"containers":[{"ports":[{"name":"http","containerPort":%d}]}]},
		"status":{"podIP":%q,"conditions":[{"type":"Ready","status":%q}]}}`, name, addr.Port(), addr.Addr(), ready)
}

// wantReady waits until those backends of a service are ready, and no others.
func (f *fleet) wantReady(snapshot func() *registry.Snapshot, want ...string) {
	f.t.Helper()
	f.await(func() string {
		if got := readyIn(snapshot()); !slices.Equal(got, want) {
			return fmt.Sprintf("ready are %q, want %q", got, want)
		}
		return ""
	})
}

func readyIn(s *registry.Snapshot) []string {
	var ready []string
	if s == nil {
		return nil // nothing was listed yet
	}
	if e := s.Service(registry.Key{Namespace: "my-ns", Name: "web"}); e != nil {
		for _, b := range e.Backends(e.Ports[0]) {
			if b.Ready {
				ready = append(ready, b.AddrPort().String())
			}
		}
	}
	slices.Sort(ready)
	return ready
}

// observe follows the registry as a reader does, and calls see with each state
// that there is.
func (f *fleet) observe(see func(*registry.Snapshot)) (latest func() *registry.Snapshot) {
	f.t.Helper()
	w, err := watch.New(watch.Config{
		Client: f.client, Layout: f.layout, Logger: quiet, Notify: func(s *registry.Snapshot, _ *registry.Changes) { see(s) },
		Kinds: []registry.Kind{registry.KindService, registry.KindEndpoints, registry.KindEndpointSlice},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = w.Run(ctx) })
	f.t.Cleanup(func() { cancel(); running.Wait() })
	return w.Snapshot
}

// Endpoints that another controller makes of pods are checked too, whichever of
// the two comes first, and readers never see none of them or one twice.
func TestSelected(t *testing.T) {
	for _, first := range []string{"endpoints", "external", "annotation"} {
		t.Run(first+" comes last", func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			l, at := outsiders(t, 3)
			var mu sync.Mutex
			var worst string
			begun := false
			latest := f.observe(func(s *registry.Snapshot) {
				mu.Lock()
				defer mu.Unlock()
				ready := readyIn(s)
				if begun = begun || len(ready) == 3; begun && len(ready) < 2 {
					worst = fmt.Sprintf("at %d %q were ready", s.Revision(), ready)
				}
				if e := s.Service(registry.Key{Namespace: "my-ns", Name: "web"}); e != nil {
					all := 0
					for range e.Served(e.Ports[0]) {
						all++
					}
					if all > 3 {
						worst = fmt.Sprintf("at %d there were %d endpoints", s.Revision(), all)
					}
				}
			})
			checked := strings.Replace(selectingService(append(fast, CheckAnnotation, "tcp")...), `"port":80`, `"port":80,"targetPort":"http"`, 1)
			bare := strings.Replace(selectingService(), `"port":80`, `"port":80,"targetPort":"http"`, 1)
			f.put(pod("a", at[0], "True"), pod("b", at[1], "True"), pod("c", at[2], "True"))
			switch first {
			case "endpoints":
				f.put(checked)
				f.start()
				f.want("web", "nobody")
				f.selecting()
			case "external":
				f.put(checked)
				f.selecting()
				f.wantReady(latest, at...)
				f.start()
			default:
				f.put(bare)
				f.selecting()
				f.start()
				f.wantReady(latest, at...)
				f.put(checked)
			}
			f.wantReady(latest, at...)
			l[1].Close()
			f.wantReady(latest, at[0], at[2])
			f.want("web", "nobody", "failing: "+at[1]+": connection refused")

			// The next leader goes on from there.
			f.stop()
			before := f.slices("web")
			f.start()
			f.never("web", "nobody", "failing: "+at[1]+": connection refused")
			if after := f.slices("web"); after[0].ModRevision != before[0].ModRevision {
				t.Errorf("the next leader wrote %+v where there was %+v", after[0], before[0])
			}

			// Without the annotation they are as their pods are, and with it
			// again they are checked anew.
			f.put(bare)
			f.wantReady(latest, at...)
			f.want("web", "")
			f.put(checked)
			f.wantReady(latest, at[0], at[2])
			listen(t, l[1].Addr().String())
			f.wantReady(latest, at...)
			mu.Lock()
			defer mu.Unlock()
			if worst != "" {
				t.Errorf("%s\nlog:\n%s", worst, f.log())
			}
		})
	}
}

// A pod that isn't ready is no endpoint whatever the checks say, and counts for
// no panic; a panic with a share stays one.
func TestSelectedPanic(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.config.PanicShare = 0.5
	l, at := outsiders(t, 4)
	f.put(pod("a", at[0], "True"), pod("b", at[1], "True"), pod("c", at[2], "True"), pod("d", at[3], "False"),
		strings.Replace(selectingService(append(fast, CheckAnnotation, "tcp")...), `"port":80`, `"port":80,"targetPort":"http"`, 1))
	latest := f.observe(func(*registry.Snapshot) {})
	f.selecting()
	f.start()
	f.wantReady(latest, at[:3]...)
	l[0].Close()
	f.wantReady(latest, at[1:3]...)
	l[1].Close()
	failing := []string{"failing: " + at[0] + ": connection refused", "failing: " + at[1] + ": connection refused"}
	f.want("web", append([]string{"nobody", "panic: 1 of 3 endpoints pass their checks; all stay in service"}, failing...)...)
	f.wantReady(latest, at[:3]...)
	f.never("web", append([]string{"nobody", "panic: 1 of 3 endpoints pass their checks; all stay in service"}, failing...)...)
	f.put(pod("b", at[1], "False"))
	f.wantReady(latest, at[2])
	f.want("web", "nobody", failing[0])
}

// What the annotation calls an endpoint is the same on both sides.
func TestFailing(t *testing.T) {
	t.Parallel()
	e := &registry.Endpoint{Addr: netip.MustParseAddr("::ffff:192.0.2.1")}
	ports := []registry.EndpointPort{{Port: 80}, {Port: 81}}
	text, err := json.Marshal([]netip.AddrPort{At(e, ports)})
	if err != nil || string(text) != `["192.0.2.1:80"]` || !ParseFailing(string(text))[At(e, ports)] {
		t.Errorf("%s, %v", text, err)
	}
	if At(e, nil) != netip.MustParseAddrPort("192.0.2.1:0") || len(ParseFailing("")) != 0 || len(ParseFailing(`["x"]`)) != 0 {
		t.Error("an endpoint without a port, and texts that say nothing")
	}
}

// Who leads next goes on with what the slices say of selected endpoints; one that
// led before knows nothing of endpoints that are new.
func TestRecall(t *testing.T) {
	t.Parallel()
	endpoints := []registry.Endpoint{
		{Addr: netip.MustParseAddr("192.0.2.1"), Ready: true, Serving: true},
		{Addr: netip.MustParseAddr("192.0.2.2"), Serving: true},
		{Addr: netip.MustParseAddr("192.0.2.3")},
		{Addr: netip.MustParseAddr("192.0.2.4"), Serving: true, Terminating: true},
		{Addr: netip.MustParseAddr("192.0.2.5"), Serving: true}, // another port of it fails
	}
	ours := &registry.Endpoints{Meta: registry.Meta{Annotations: map[string]string{FailingAnnotation: `["192.0.2.2:80","192.0.2.5:81"]`}}}
	for takeover, want := range map[bool]string{
		false: "map[192.0.2.2:false]",
		true:  "map[192.0.2.1:true 192.0.2.2:false 192.0.2.5:true]",
	} {
		src := &source{own: map[string]*registry.Endpoints{"ours": ours}}
		src.selects(&registry.Endpoints{Subsets: []registry.Subset{{Endpoints: slices.Clone(endpoints), Ports: []registry.EndpointPort{{Port: 80}}}}})
		m := src.memory()
		m.recall(src, takeover)
		if got := fmt.Sprint(m.ready); got != want {
			t.Errorf("takeover %t: got %s, want %s", takeover, got, want)
		}
	}
	silent := &source{own: map[string]*registry.Endpoints{"ours": {}}}
	silent.selects(&registry.Endpoints{Subsets: []registry.Subset{{Endpoints: slices.Clone(endpoints)}}})
	m := silent.memory()
	if m.recall(silent, true); len(m.ready) > 0 {
		t.Errorf("where nobody checked before there is %v", m.ready)
	}
}

// A pod that comes later is out by its first check, however many failures those
// take that served before.
func TestSelectedNewcomer(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	l, at := outsiders(t, 2)
	l[1].Close()
	f.put(pod("a", at[0], "True"), strings.Replace(selectingService(CheckAnnotation, "tcp", IntervalAnnotation, "400ms", FallAnnotation, "100"),
		`"port":80`, `"port":80,"targetPort":"http"`, 1))
	latest := f.observe(func(*registry.Snapshot) {})
	f.selecting()
	f.start()
	f.wantReady(latest, at[0])
	f.await(func() string {
		if all := f.slices("web"); len(all) != 1 || all[0].Annotations[FailingAnnotation] != "[]" {
			return fmt.Sprintf("the slices are %v, want one that says that nobody fails", all)
		}
		return ""
	})
	f.put(pod("b", at[1], "True"))
	f.want("web", "nobody", "failing: "+at[1]+": connection refused")
	f.wantReady(latest, at[0])
}

// Selected endpoints keep the ports that they have: by the first of them the
// other controller knows them.
func TestSelectedPorts(t *testing.T) {
	t.Parallel()
	subset := registry.Subset{
		Endpoints: []registry.Endpoint{{Addr: netip.MustParseAddr("192.0.2.1"), Ready: true}},
		Ports:     []registry.EndpointPort{{Port: 80, Protocol: registry.TCP}, {Port: 81, Protocol: registry.TCP}},
	}
	src := &source{service: &registry.Service{}, subsets: []registry.Subset{subset}, selected: true}
	x := expand(src, nil, func(netip.Addr) string { return "" })
	x.groups[0].endpoints[0].out = true
	if got := x.verdict(); got != `["192.0.2.1:80"]` || len(x.groups) != 1 {
		t.Errorf("%s is out, of %d groups", got, len(x.groups))
	}
}
