package loadbalancer

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/proxyd/leader"
	"github.com/svcreg/svcreg/proxyd/loadbalancer/pool"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/registry/write"
)

// site is a registry in a real etcd, and what runs on it.
type site struct {
	*testing.T
	etcd   *registrytest.Etcd
	client *clientv3.Client
	layout codec.Layout
	writer *write.Writer
	log    *registrytest.Log
}

func newSite(t *testing.T) *site {
	t.Helper()
	layout, err := codec.NewLayout("")
	if err != nil {
		t.Fatal(err)
	}
	etcd := registrytest.StartEtcd(t)
	s := &site{T: t, etcd: etcd, client: etcd.Client(), layout: layout, log: &registrytest.Log{}}
	s.writer = write.New(s.client, layout, write.Options{})
	return s
}

// config returns a configuration for a node.
func (s *site) config(node string) Config {
	return Config{
		Client: s.client, Layout: s.layout, Node: node, LeaderTTL: leader.LeastTTL, Grace: time.Hour,
		Logger: slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// run runs a controller until it is stopped, or the test ends.
func (s *site) run(c Config) (stop func()) {
	ctx, cancel := context.WithCancel(s.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, c) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			s.Errorf("run: %v", err)
		}
	})
	s.Cleanup(stop)
	return stop
}

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// pool writes a pool, past the checks of what it takes from services.
func (s *site) pool(name, spec string) {
	s.Helper()
	pools, err := pool.Parse("test", []byte(fmt.Sprintf(`{"kind": "AddressPool", "apiVersion": "svcreg.io/v1", "metadata": {"name": %q}, "spec": {%s}}`, name, spec)))
	s.must(err)
	store := &pool.Store{Client: s.client, Layout: s.layout, Writer: s.writer, Force: true}
	_, err = store.Apply(s.Context(), pools[0])
	s.must(err)
}

// put stores a value, whatever it is.
func (s *site) put(key, value string) {
	s.Helper()
	_, err := s.client.Put(s.Context(), key, value)
	s.must(err)
}

func (s *site) remove(key string) {
	s.Helper()
	_, err := s.client.Delete(s.Context(), key)
	s.must(err)
}

// get returns the value at a key, or "".
func (s *site) get(key string) string {
	s.Helper()
	response, err := s.client.Get(s.Context(), key)
	s.must(err)
	if len(response.Kvs) == 0 {
		return ""
	}
	return string(response.Kvs[0].Value)
}

func specKey(name string) string {
	if !strings.Contains(name, "/") {
		name = "shop/" + name
	}
	return "/registry/services/specs/" + name
}

// v1 stores a service of today that wants a load balancer; more goes into spec.
// An annotation is written as @name=value.
func (s *site) v1(name, more string, annotations ...string) {
	s.Helper()
	var texts []string
	for _, a := range annotations {
		k, v, _ := strings.Cut(a, "=")
		texts = append(texts, fmt.Sprintf("%q: %q", k, v))
	}
	ns, id := "shop", name
	if before, after, ok := strings.Cut(name, "/"); ok {
		ns, id = before, after
	}
	s.put(specKey(name), fmt.Sprintf(`{"kind": "Service", "apiVersion": "v1", "metadata": {"name": %q, "namespace": %q, "annotations": {%s}, "new": 1.0},
		"spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "new": [1.0]%s}}`, id, ns, strings.Join(texts, ","), more))
}

// service returns a stored service, or nil.
func (s *site) service(name string) *registry.Service {
	s.Helper()
	value := s.get(specKey(name))
	if value == "" {
		return nil
	}
	ref, _ := s.layout.Ref(specKey(name))
	o, err := codec.Decode(ref, []byte(value))
	s.must(err)
	return o.(*registry.Service)
}

// addrs returns the addresses that a service has, those of its status or else
// its publicIPs.
func (s *site) addrs(name string) string {
	s.Helper()
	service := s.service(name)
	if service == nil {
		return "gone"
	}
	return strings.Trim(fmt.Sprint(append(service.LoadBalancerIPs, service.PublicIPs...)), "[]")
}

// note returns what is said about a service, or "".
func (s *site) note(name string) string {
	s.Helper()
	value := s.get("/registry/svcreg/status/loadbalancer/shop/" + name)
	if value == "" {
		return ""
	}
	n, err := DecodeNote([]byte(value))
	s.must(err)
	return n.Problem
}

// holders returns the services that an address's claim names; those that are
// gone have a minus before their name.
func (s *site) holders(addr string) string {
	s.Helper()
	b, _, err := pool.List(s.Context(), s.client, s.layout, slog.Default())
	s.must(err)
	var names []string
	for c := range b.Claims() {
		for _, h := range c.Holders {
			if c.Addr.String() != addr {
				continue
			}
			if !h.Gone.IsZero() {
				h.Name = "-" + h.Name
			}
			names = append(names, h.Name)
		}
	}
	return strings.Join(names, " ")
}

const patience = 30 * time.Second

// eventually waits until something is as it should be.
func (s *site) eventually(what string, get func() string, want string) {
	s.Helper()
	got := ""
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if got = get(); got == want {
			return
		}
	}
	s.Fatalf("%s: %q, want %q\n%s", what, got, want, s.log)
}

// has waits until a service has just those addresses.
func (s *site) has(name, want string) {
	s.Helper()
	s.eventually("addresses of "+name, func() string { return s.addrs(name) }, want)
}

// says waits until something is said about a service.
func (s *site) says(name, want string) {
	s.Helper()
	s.eventually("what is said about "+name, func() string { return s.note(name) }, want)
}

// quiet waits until nothing is written for a while.
func (s *site) quiet() {
	s.Helper()
	last, since := int64(0), time.Now()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		response, err := s.client.Get(s.Context(), "/registry/", clientv3.WithPrefix())
		s.must(err)
		if response.Header.Revision != last {
			last, since = response.Header.Revision, time.Now()
		}
		if time.Since(since) > 300*time.Millisecond {
			return
		}
	}
	s.Fatalf("it goes on writing:\n%s", s.log)
}

// gathered returns a metric's value.
func gathered(t *testing.T, g prometheus.Gatherer, name string, labels ...string) float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			var have []string
			for _, l := range m.Label {
				have = append(have, l.GetName()+"="+l.GetValue())
			}
			if f.GetName() == name && strings.Join(have, " ") == strings.Join(labels, " ") {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return -1
}
