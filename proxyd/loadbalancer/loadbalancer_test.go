package loadbalancer

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

func TestAddressesAreGiven(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1-203.0.113.3", "2001:db8::1"]`)
	s.put(specKey("old"), `{"kind": "Service", "apiVersion": "v1beta1", "id": "old", "namespace": "shop", "port": 80, "createExternalLoadBalancer": true, "publicIPs": ["198.51.100.1"], "new": 1.0}`)
	s.put(specKey("middle"), `{"kind": "Service", "apiVersion": "v1beta3", "metadata": {"name": "middle", "namespace": "shop"}, "spec": {"createExternalLoadBalancer": true, "ports": [{"port": 80}]}}`)
	s.v1("today", `, "clusterIPs": ["10.0.0.1", "fd00::1"]`)
	s.put(specKey("plain"), `{"kind": "Service", "apiVersion": "v1beta1", "id": "plain", "namespace": "shop", "port": 80}`)
	s.v1("others", `, "loadBalancerClass": "example.org/other"`)
	plain, others := s.get(specKey("plain")), s.get(specKey("others"))
	today := s.get(specKey("today"))
	s.run(s.config("one"))
	s.has("old", "198.51.100.1 203.0.113.1")
	s.has("middle", "203.0.113.2")
	s.has("today", "203.0.113.3 2001:db8::1")
	want := map[string]string{
		"old":    `{"kind": "Service", "apiVersion": "v1beta1", "id": "old", "namespace": "shop", "port": 80, "createExternalLoadBalancer": true, "publicIPs": ["198.51.100.1","203.0.113.1"], "new": 1.0}`,
		"middle": `{"kind": "Service", "apiVersion": "v1beta3", "metadata": {"name": "middle", "namespace": "shop"}, "spec": {"createExternalLoadBalancer": true, "ports": [{"port": 80}], "publicIPs":["203.0.113.2"]}}`,
		"today":  strings.TrimSuffix(today, "}") + `, "status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.3"},{"ip":"2001:db8::1"}]}}}`,
		"plain":  plain,
		"others": others,
	}
	for name, want := range want {
		if diff := cmp.Diff(want, s.get(specKey(name))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if got := s.get("/registry/svcreg/addresses/2001:db8::1"); got != `{"pool":"public","holders":[{"namespace":"shop","name":"today","ports":["80/TCP"]}]}` {
		t.Errorf("claim: %s", got)
	}
	s.quiet()
}

// What a service wants it gets, as soon as that can be; why not is said.
func TestWishes(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.0/30"], "avoidBuggyIPs": true`)
	s.pool("private", `"addresses": ["198.51.100.0/30"], "namespaces": ["blog"]`)
	s.pool("manual", `"addresses": ["192.0.2.1"], "autoAssign": false`)
	s.run(s.config("one"))
	s.v1("field", `, "loadBalancerIP": "203.0.113.2"`)
	s.has("field", "203.0.113.2")
	s.v1("annotated", `, "loadBalancerIP": "203.0.113.2"`, AddressAnnotation+"=192.0.2.1")
	s.has("annotated", "192.0.2.1")
	for name, want := range map[string]string{
		"203.0.113.2":  "address 203.0.113.2: service shop/field holds it",
		"203.0.113.0":  "address 203.0.113.0: it is in no pool",
		"198.51.100.1": "address 198.51.100.1: pool private is not for namespace shop",
		"nonsense":     `loadBalancerIP: "nonsense": want an IP address`,
	} {
		s.v1("wrong", `, "loadBalancerIP": "`+name+`"`)
		s.says("wrong", want)
	}
	s.v1("wrong", "")
	s.has("wrong", "203.0.113.1")
	s.says("wrong", "")
	s.v1("wrong", `, "loadBalancerIP": "203.0.113.2"`)
	s.says("wrong", "address 203.0.113.2: service shop/field holds it")
	s.has("wrong", "203.0.113.1") // which it keeps meanwhile
	s.v1("field", `, "loadBalancerIP": "203.0.113.3"`)
	s.has("wrong", "203.0.113.2")
	s.v1("blog/any", "")
	s.has("blog/any", "198.51.100.0") // that pool names the namespace
	if !strings.Contains(s.log.String(), `level=WARN msg="a service doesn't get what it wants of a load balancer" service=shop/wrong problem="address 203.0.113.2: service shop/field holds it"`) {
		t.Errorf("the log:\n%s", s.log)
	}
}

func TestFullPool(t *testing.T) {
	s := newSite(t)
	c := s.config("one")
	registry := prometheus.NewRegistry()
	c.Registerer = registry
	s.run(c)
	s.v1("first", "")
	s.says("first", "there are no address pools: see svcctl pools")
	s.pool("public", `"addresses": ["203.0.113.1"]`)
	s.has("first", "203.0.113.1")
	s.says("first", "")
	s.v1("second", "")
	s.says("second", "pool public is full: all its 1 IPv4 addresses are held")
	s.v1("third", `, "clusterIP": "fd00::1"`)
	s.says("third", "no pool gives IPv6 addresses to namespace shop")
	for _, m := range []struct {
		name   string
		labels []string
		want   float64
	}{
		{"proxyd_loadbalancer_pool_addresses", []string{"family=IPv4", "pool=public"}, 1},
		{"proxyd_loadbalancer_pool_addresses_held", []string{"family=IPv4", "pool=public"}, 1},
		{"proxyd_loadbalancer_services", []string{"state=failing"}, 2},
		{"proxyd_loadbalancer_services", []string{"state=ok"}, 1},
		{"proxyd_loadbalancer_address_changes_total", []string{"change=assigned"}, 1},
	} {
		s.eventually(m.name, func() string {
			if gathered(t, registry, m.name, m.labels...) == m.want {
				return "right"
			}
			return "wrong"
		}, "right")
	}
	s.put(specKey("first"), strings.Replace(s.get(specKey("first")), "LoadBalancer", "ClusterIP", 1))
	s.has("second", "203.0.113.1")
	s.says("second", "")
	s.has("first", "")
}

// A service that comes back gets its address again, for a while; one that asks
// for none any more loses it at once.
func TestGrace(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1-203.0.113.3"]`)
	c := s.config("one")
	stop := s.run(c)
	s.v1("web", "")
	s.has("web", "203.0.113.1")
	s.remove(specKey("web"))
	s.eventually("the claim", func() string { return s.holders("203.0.113.1") }, "-web")
	s.v1("other", "")
	s.has("other", "203.0.113.2")
	stop() // and across a restart
	s.run(c)
	s.v1("web", "")
	s.has("web", "203.0.113.1")
	s.eventually("the claim", func() string { return s.holders("203.0.113.1") }, "web")

	s.put(specKey("web"), strings.Replace(s.get(specKey("web")), "LoadBalancer", "ClusterIP", 1))
	s.has("web", "")
	s.eventually("the claim", func() string { return s.holders("203.0.113.1") }, "")

	s.remove(specKey("other"))
	s.eventually("the claim", func() string { return s.holders("203.0.113.2") }, "-other")
	s.v1("heir", `, "loadBalancerIP": "203.0.113.2"`) // who asks for it need not wait
	s.has("heir", "203.0.113.2")
	s.eventually("the claim", func() string { return s.holders("203.0.113.2") }, "heir")
}

func TestGraceEnds(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1"]`)
	c := s.config("one")
	c.Grace = 3 * time.Second // in which the claim is looked at
	stop := s.run(c)
	s.v1("web", "")
	s.has("web", "203.0.113.1")
	s.remove(specKey("web"))
	s.eventually("the claim", func() string { return s.holders("203.0.113.1") }, "-web")
	s.eventually("the claim", func() string { return s.holders("203.0.113.1") }, "")
	stop()
	c.Grace = -1
	s.run(c)
	s.v1("web", "")
	s.has("web", "203.0.113.1")
	s.remove(specKey("web"))
	s.eventually("the claim", func() string { return s.get("/registry/svcreg/addresses/203.0.113.1") }, "")
}

// An address that is kept for a service that was deleted is better than none.
func TestGraceYieldsToNeed(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1"]`)
	s.run(s.config("one"))
	s.v1("web", "")
	s.has("web", "203.0.113.1")
	s.remove(specKey("web"))
	s.v1("other", "")
	s.has("other", "203.0.113.1")
	s.eventually("the claim", func() string { return s.holders("203.0.113.1") }, "other")
}

// Whatever is written to an object from elsewhere, it has its own addresses in
// the end, and those of a pool that are another's never.
func TestOthersWrites(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1-203.0.113.9"]`)
	s.run(s.config("one"))
	s.v1("web", "")
	s.has("web", "203.0.113.1")
	s.v1("web", "") // as somebody has it who never saw the status
	s.has("web", "203.0.113.1")
	s.put(specKey("thief"), `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "thief", "namespace": "shop"}, "spec": {"ports": [{"port": 80}]},
		"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}, {"ip": "198.51.100.1"}]}}}`)
	s.has("thief", "198.51.100.1")
	s.put(specKey("moved"), `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "moved", "namespace": "shop"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
		"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.5"}]}}}`)
	s.eventually("the claim of what stood there already", func() string { return s.holders("203.0.113.5") }, "moved")
	s.put(specKey("listed"), `{"kind": "Service", "apiVersion": "v1beta1", "id": "listed", "namespace": "shop", "port": 80, "publicIPs": ["203.0.113.2"]}`)
	s.quiet()
	s.v1("next", "")
	s.has("next", "203.0.113.3") // 2 is listed by a service that is none of our business
	s.has("listed", "203.0.113.2")
	s.v1("web", `, "loadBalancerClass": "example.org/other"`)
	s.eventually("the claim", func() string { return s.holders("203.0.113.1") }, "")
	s.has("web", "")
}

func TestSharing(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1-203.0.113.9"]`)
	s.run(s.config("one"))
	share := ShareAnnotation + "=web"
	s.v1("http", "", share)
	s.has("http", "203.0.113.1")
	s.v1("https", `, "ports": [{"port": 443}]`, share)
	s.put(specKey("https"), strings.Replace(s.get(specKey("https")), `"ports": [{"port": 80}], `, "", 1))
	s.has("https", "203.0.113.1")
	s.v1("again", "", share) // its port is taken there
	s.has("again", "203.0.113.2")
	s.v1("stranger", `, "loadBalancerIP": "203.0.113.1"`)
	s.says("stranger", "address 203.0.113.1: service shop/http holds it")
	s.v1("local", `, "externalTrafficPolicy": "Local", "loadBalancerIP": "203.0.113.1"`, share)
	s.says("local", "address 203.0.113.1: service shop/http holds it")
	s.remove(specKey("http"))
	s.eventually("the claim", func() string { return s.holders("203.0.113.1") }, "-http https")
	s.has("https", "203.0.113.1")
}

// Of a pool that changes, services keep what they may.
func TestPoolsChange(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1-203.0.113.3"]`)
	s.run(s.config("one"))
	s.v1("one", "")
	s.has("one", "203.0.113.1")
	s.v1("two", "")
	s.has("two", "203.0.113.2")
	s.pool("public", `"addresses": ["203.0.113.2-203.0.113.3"]`)
	s.has("one", "203.0.113.3")
	s.has("two", "203.0.113.2")
	s.put("/registry/svcreg/pools/public", `{"kind": "AddressP`) // which nobody can read
	s.quiet()
	s.v1("two", "") // has it looked at
	s.has("two", "203.0.113.2")
	s.remove("/registry/svcreg/pools/public")
	s.has("two", "")
	s.says("two", "there are no address pools: see svcctl pools")
}

// A damaged pool takes no service's address, also not where the node that leads
// never saw it whole.
func TestDamagedPool(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1"]`)
	stop := s.run(s.config("one"))
	s.v1("web", "")
	s.has("web", "203.0.113.1")
	stop()
	s.put("/registry/svcreg/pools/public", `{"kind": "AddressP`)
	s.run(s.config("two"))
	s.v1("new", "")
	s.says("new", "there are no address pools: see svcctl pools")
	s.has("web", "203.0.113.1")
	if s.holders("203.0.113.1") != "web" {
		t.Error("the claim is gone")
	}
}

func TestRegistryOfAnApiserver(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1"]`)
	s.put("/registry/masterleases/192.0.2.1", "k8s\x00")
	s.v1("web", "")
	before := s.get(specKey("web"))
	stop := s.run(s.config("one"))
	s.eventually("the log", func() string {
		if strings.Contains(s.log.String(), `msg="load balancers get no addresses from here" error="write to /registry: the registry belongs to a Kubernetes`) {
			return "said"
		}
		return s.log.String()
	}, "said")
	stop()
	if s.get(specKey("web")) != before || s.holders("203.0.113.1") != "" {
		t.Error("something was written")
	}
}

func TestValidate(t *testing.T) {
	s := newSite(t)
	tests := []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"fine", func(*Config) {}, ""},
		{"no client", func(c *Config) { c.Client = nil }, "loadbalancer: Client is missing"},
		{"no node", func(c *Config) { c.Node = "" }, "loadbalancer: Node is missing"},
		{"hook", func(c *Config) { c.Hook = "hook.sh" }, `loadbalancer: Hook "hook.sh": want an absolute path`},
		{"time-out", func(c *Config) { c.HookTimeout = -1 }, "loadbalancer: HookTimeout -1ns: want more than nothing"},
		{"TTL", func(c *Config) { c.LeaderTTL = 1 }, "leader: TTL 1ns: want whole seconds, at least 2s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := s.config("one")
			tt.change(&c)
			got := ""
			if err := c.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if tt.want != "" && Run(context.Background(), c) == nil {
				t.Error("it runs")
			}
		})
	}
}
