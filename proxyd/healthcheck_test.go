package proxyd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// checked is a node whose health checks are served at sockets of the test.
type checked struct {
	*healthChecks
	t        *testing.T
	ruleset  *rules.Ruleset
	snapshot *registry.Snapshot
	ok       atomic.Bool
	log      registrytest.Log
	asked    []string // the sockets that were asked for
	busy     map[string]bool
	at       map[string]string // where those are in fact
}

func newChecked(t *testing.T, ranges ...netip.Prefix) *checked {
	c := &checked{t: t, snapshot: registry.Build(0), busy: map[string]bool{}, at: map[string]string{}}
	c.ok.Store(true)
	c.healthChecks = newHealthChecks(ranges, c.ok.Load, slog.New(slog.NewTextHandler(&c.log, nil)))
	c.listen = func(ctx context.Context, at netip.AddrPort) (net.Listener, error) {
		c.asked = append(c.asked, at.String())
		if c.busy[at.String()] {
			return nil, errors.New("address already in use")
		}
		l, err := listenTCP(ctx, netip.MustParseAddrPort("127.0.0.1:0"))
		if err == nil {
			c.at[at.String()] = l.Addr().String()
		}
		return l, err
	}
	t.Cleanup(c.close)
	c.ruleset = rules.Compile(c.snapshot, rules.Policy{NodeName: "here"})
	return c
}

// nodeAddrs are the addresses of the test's node.
var nodeAddrs = []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("198.51.100.1"), netip.MustParseAddr("2001:db8::1")}

// write changes the registry, and returns the sockets that were asked for.
func (c *checked) write(changes ...registry.Change) []string {
	var touched *registry.Changes
	c.snapshot, touched = c.snapshot.Apply(c.snapshot.Revision()+1, changes...)
	c.ruleset, _ = c.ruleset.Update(c.snapshot, touched)
	c.asked = nil
	c.update(c.t.Context(), c.ruleset, nodeAddrs)
	return c.asked
}

// answers wants an answer from a socket: "STATUS WEIGHT BODY", or "" for none.
func (c *checked) answers(at, want string) {
	c.t.Helper()
	got := ""
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + c.at[at] + "/any/path")
	if err == nil {
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		got = fmt.Sprint(resp.StatusCode, " ", resp.Header.Get("X-Load-Balancing-Endpoint-Weight"), " ", strings.TrimSpace(string(body)))
	}
	if got != want {
		c.t.Errorf("%s answers %q (%v), want %q", at, got, err, want)
	}
}

// local returns a service with a health check.
func local(name string, port uint16) registry.Change {
	change := service(name, "10.0.0."+fmt.Sprint(port%250+1), "TCP")
	s := change.Object.(*registry.Service)
	s.Type, s.ExternalLocal, s.HealthCheckNodePort = registry.LoadBalancer, true, port
	return change
}

// here returns endpoints of which the first some are on the test's node.
func here(name string, n int, addrs ...string) registry.Change {
	change := endpoints(name, addrs...)
	for _, subset := range change.Object.(*registry.Endpoints).Subsets {
		for i := range n {
			subset.Endpoints[i].Node = "here"
		}
	}
	return change
}

// A health check says how many endpoints of the service the node has, as long as
// the service wants one.
func TestHealthChecks(t *testing.T) {
	const at = "[::]:31000"
	c := newChecked(t)
	if diff := cmp.Diff([]string{at}, c.write(local("web", 31000))); diff != "" {
		t.Fatalf("sockets (-want +got):\n%s", diff)
	}
	const body = `{"service":{"namespace":"ns","name":"web"},"localEndpoints":%d,"serviceProxyHealthy":%v}`
	c.answers(at, "503 0 "+fmt.Sprintf(body, 0, true))
	c.write(here("web", 2, "10.1.0.1", "10.1.0.2", "10.1.0.3"))
	c.answers(at, "200 2 "+fmt.Sprintf(body, 2, true))
	c.ok.Store(false)
	c.answers(at, "503 2 "+fmt.Sprintf(body, 2, false))
	c.ok.Store(true)
	c.write(here("web", 0, "10.1.0.3"))
	c.answers(at, "503 0 "+fmt.Sprintf(body, 0, true))
	c.write(local("web", 31001))
	c.answers(at, "")
	c.answers("[::]:31001", "503 0 "+fmt.Sprintf(body, 0, true))
	c.write(gone(registry.KindService, "web"))
	c.answers("[::]:31001", "")
}

// Sockets are at the addresses of node ports alone, and follow these.
func TestHealthCheckAddresses(t *testing.T) {
	c := newChecked(t, netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32"))
	want := map[string]bool{"192.0.2.1:31000": true, "[2001:db8::1]:31000": true}
	got := map[string]bool{}
	for _, at := range c.write(local("web", 31000), here("web", 1, "10.1.0.1")) {
		got[at] = true
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sockets (-want +got):\n%s", diff)
	}
	c.update(t.Context(), c.ruleset, []netip.Addr{netip.MustParseAddr("192.0.2.2")})
	c.answers("192.0.2.1:31000", "")
	c.answers("192.0.2.2:31000", `200 1 {"service":{"namespace":"ns","name":"web"},"localEndpoints":1,"serviceProxyHealthy":true}`)
}

// A port that is taken is told of once, tried again, and harms nobody else.
func TestHealthCheckPortTaken(t *testing.T) {
	c := newChecked(t)
	logged := func(text string, want int) {
		t.Helper()
		if n := strings.Count(c.log.String(), text); n != want {
			t.Errorf("the log says %q %d times, want %d:\n%s", text, n, want, c.log.String())
		}
	}
	c.busy["[::]:31000"] = true
	c.write(local("web", 31000), here("web", 1, "10.1.0.1"), local("other", 31001), here("other", 1, "10.1.0.2"))
	c.answers("[::]:31001", `200 1 {"service":{"namespace":"ns","name":"other"},"localEndpoints":1,"serviceProxyHealthy":true}`)
	c.write(here("web", 1, "10.1.0.3"))
	c.write(here("web", 2, "10.1.0.3", "10.1.0.4"))
	c.retry(t.Context())
	logged("can't be served", 1)
	delete(c.busy, "[::]:31000")
	c.retry(t.Context())
	logged("is served now", 1)
	c.answers("[::]:31000", `200 2 {"service":{"namespace":"ns","name":"web"},"localEndpoints":2,"serviceProxyHealthy":true}`)
	c.asked = nil
	c.retry(t.Context())
	if len(c.asked) != 0 {
		t.Errorf("asked for %q though all are served", c.asked)
	}
}

// Changes of other services cost nothing, and no socket is opened twice.
func TestHealthChecksAreCheap(t *testing.T) {
	c := newChecked(t)
	c.write(local("web", 31000), here("web", 1, "10.1.0.1"))
	if asked := c.write(service("other", "10.0.0.9", "TCP"), endpoints("other", "10.1.0.9")); len(asked) != 0 {
		t.Errorf("asked for %q", asked)
	}
	if asked := c.write(here("web", 2, "10.1.0.1", "10.1.0.2")); len(asked) != 0 {
		t.Errorf("asked for %q", asked)
	}
	allocs := testing.AllocsPerRun(100, func() { c.update(t.Context(), c.ruleset, nodeAddrs) })
	if allocs > 1 {
		t.Errorf("%v allocations where nothing changed", allocs)
	}
}
