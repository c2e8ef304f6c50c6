package loadbalancer

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/svcreg/svcreg/proxyd/loadbalancer/pool"
	"github.com/svcreg/svcreg/registry"
)

// Who is gone is looked at first, then who holds nothing, the older before the
// younger, then the others.
func TestInOrder(t *testing.T) {
	key := func(name string) registry.Key { return registry.Key{Namespace: "shop", Name: name} }
	var objects []registry.Object
	for i, name := range []string{"f", "d", "c", "e", "b"} { // in the order in which they came
		objects = append(objects, &registry.Service{Meta: registry.Meta{Kind: registry.KindService, Key: key(name), CreateRevision: int64(10 + i)}})
	}
	c := &controller{snapshot: registry.Build(20, objects...), book: pool.NewBook(), dirty: map[registry.Key]bool{}}
	claims := map[netip.Addr]*pool.Claim{}
	for i, name := range []string{"f", "e", "gone"} {
		a := netip.AddrFrom4([4]byte{203, 0, 113, byte(i)})
		claims[a] = &pool.Claim{Addr: a, Holders: []pool.Holder{{Namespace: "shop", Name: name}}}
	}
	c.book.Apply(pool.Update{Claims: claims})
	for _, name := range []string{"b", "c", "d", "e", "f", "gone"} {
		c.dirty[key(name)] = true
	}
	var got []string
	for _, k := range c.inOrder() {
		got = append(got, k.Name)
	}
	if d := cmp.Diff("gone d c b f e", strings.Join(got, " ")); d != "" {
		t.Error(d)
	}
	for i := range 2 * atATime {
		c.dirty[key(fmt.Sprint("more-", i))] = true
	}
	if n := len(c.inOrder()); n != atATime {
		t.Errorf("%d services are looked at before news are, want %d", n, atATime)
	}
}

// Who lacks an address gets one as soon as another's claim goes, or a service
// that listed it without holding it no longer does.
func TestLackEnds(t *testing.T) {
	s := newSite(t)
	const claim = "/registry/svcreg/addresses/203.0.113.1"
	plain := `{"kind": "Service", "apiVersion": "v1beta1", "id": "plain", "namespace": "shop", "port": 80%s}`
	s.pool("public", `"addresses": ["203.0.113.1"]`)
	s.put(claim, `{"holders": [{"namespace": "blog", "name": "other"}]}`)
	s.put(specKey("blog/other"), `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "other", "namespace": "blog"}, "spec": {"type": "LoadBalancer", "loadBalancerClass": "example.org/other", "ports": [{"port": 80}]}}`)
	s.put(claim, `{`) // which nobody can read, so nobody gets it
	s.run(s.config("one"))
	s.v1("web", "")
	s.says("web", "pool public is full: all its 1 IPv4 addresses are held")
	s.remove(claim)
	s.has("web", "203.0.113.1")
	s.put(specKey("web"), strings.Replace(s.get(specKey("web")), "LoadBalancer", "ClusterIP", 1))
	s.has("web", "")
	s.put(specKey("plain"), fmt.Sprintf(plain, `, "publicIPs": ["203.0.113.1"]`))
	s.quiet()
	said := func() int { return strings.Count(s.log.String(), "service=shop/web problem=") }
	before := said()
	s.v1("web", "")
	s.says("web", "pool public is full: all its 1 IPv4 addresses are held")
	s.eventually("how often it is said, which is after it was noted", func() string { return fmt.Sprint(said() - before) }, "1")
	s.v1("web", `, "sessionAffinity": "ClientIP"`) // has it looked at
	s.quiet()
	if n := said() - before; n != 1 {
		t.Errorf("what is wrong was said %d times", n)
	}
	s.put(specKey("plain"), fmt.Sprintf(plain, ""))
	s.has("web", "203.0.113.1")
}

// What stood in publicIPs is a load balancer's address in the versions before
// v1 only; and what another balancer gave stays, also from our pool.
func TestWhatStoodThere(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1-203.0.113.9"]`)
	s.put(specKey("old"), `{"kind": "Service", "apiVersion": "v1beta1", "id": "old", "namespace": "shop", "port": 80, "createExternalLoadBalancer": true, "publicIPs": ["203.0.113.5"]}`)
	foreign := `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "foreign", "namespace": "shop"}, "spec": {"type": "LoadBalancer", "loadBalancerClass": "example.org/other", "ports": [{"port": 80}]},
		"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}`
	s.put(specKey("foreign"), foreign)
	s.run(s.config("one"))
	s.v1("new", `, "externalIPs": ["203.0.113.6"]`)
	s.eventually("what the older version lists", func() string { return s.holders("203.0.113.5") }, "old")
	s.has("old", "203.0.113.5")
	s.has("new", "203.0.113.1 203.0.113.6")
	s.quiet()
	if got := s.get(specKey("foreign")); got != foreign {
		t.Errorf("another balancer's service is %s", got)
	}
}

// Of an address that several share each gives up its own part only.
func TestSharedIsLeft(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1"]`)
	c := s.config("one")
	c.Grace = -1
	s.run(c)
	for i, name := range []string{"a", "b", "c"} {
		s.put(specKey(name), fmt.Sprintf(`{"kind": "Service", "apiVersion": "v1", "metadata": {"name": %q, "namespace": "shop", "annotations": {%q: "key"}}, "spec": {"type": "LoadBalancer", "ports": [{"port": %d}]}}`, name, ShareAnnotation, 80+i))
		s.has(name, "203.0.113.1")
	}
	s.remove(specKey("a"))
	s.eventually("the claim", func() string { return s.holders("203.0.113.1") }, "b c")
	s.put(specKey("b"), strings.Replace(s.get(specKey("b")), "LoadBalancer", "ClusterIP", 1))
	s.eventually("the claim", func() string { return s.holders("203.0.113.1") }, "c")
	s.has("c", "203.0.113.1")
}

// What is counted is there while this node leads; what only a leader knows goes
// with that.
func TestMetricsOfLeader(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1"]`)
	c := s.config("one")
	var calls func() string
	c.Hook, calls = s.hook("")
	c.HookTimeout = DefaultHookTimeout
	m, gatherer := newMetrics(), prometheus.NewRegistry()
	s.must(gatherer.Register(m))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- lead(ctx, &c, s.writer, m) }()
	s.v1("web", "")
	s.has("web", "203.0.113.1")
	s.told(calls, "add shop/web", 2)
	s.put(specKey("web"), strings.Replace(s.get(specKey("web")), "LoadBalancer", "ClusterIP", 1))
	s.told(calls, "remove shop/web", 1)
	const calledName, changesName, services = "proxyd_loadbalancer_hook_calls_total", "proxyd_loadbalancer_address_changes_total", "proxyd_loadbalancer_services"
	s.eventually("the metrics", func() string {
		return fmt.Sprint(gathered(t, gatherer, calledName, "action=add", "result=ok"), gathered(t, gatherer, calledName, "action=remove", "result=ok"),
			gathered(t, gatherer, changesName, "change=assigned"), gathered(t, gatherer, changesName, "change=freed"), gathered(t, gatherer, services, "state=ok"))
	}, "2 1 1 1 0")
	stop()
	s.must(<-done)
	if got := gathered(t, gatherer, services, "state=ok"); got != -1 {
		t.Errorf("%v services, as of a node that doesn't lead", got)
	}
}
