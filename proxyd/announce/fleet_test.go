package announce

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

// fleet is some nodes on a segment, with a real etcd.
type fleet struct {
	t       *testing.T
	etcd    *registrytest.Etcd
	segment *fakeSegment
	nodes   map[string]*fakeNode
	adjust  func(*agent) // before it runs; nil for nothing
}

// fakeNode is a node whose links are what the test says.
type fakeNode struct {
	name    string
	mac     mac
	feed    *Feed
	changed chan struct{}
	log     *registrytest.Log
	stop    func() // ends it, and waits

	mu    sync.Mutex
	links []link
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	return &fleet{t, registrytest.StartEtcd(t), newFakeSegment(), map[string]*fakeNode{}, nil}
}

// node starts a node, anew if there was one of its name.
func (f *fleet) node(name string) *fakeNode {
	f.t.Helper()
	n := f.nodes[name]
	if n == nil {
		i := byte(0x10 + len(f.nodes))
		n = &fakeNode{name: name, mac: lan(i).mac, feed: &Feed{}, changed: make(chan struct{}, 1), log: &registrytest.Log{}, links: []link{lan(i)}}
		f.nodes[name] = n
	}
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{f.etcd.Endpoint()}, Logger: zap.NewNop()})
	if err != nil {
		f.t.Fatal(err)
	}
	layout, err := codec.NewLayout("")
	if err != nil {
		f.t.Fatal(err)
	}
	c := &Config{
		Client: client, Layout: layout, Node: name, Feed: n.feed, TTL: DefaultTTL,
		Logger: slog.New(slog.NewTextHandler(n.log, nil)), Registerer: prometheus.NewRegistry(),
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	a := newAgent(c, f.segment.open, n.list, n.watch)
	if f.adjust != nil {
		f.adjust(a)
	}
	go func() { done <- a.run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Errorf("%s: %v", name, err)
		}
		client.Close()
	})
	f.t.Cleanup(func() {
		n.stop()
		if f.t.Failed() {
			f.t.Logf("%s said:\n%s", name, n.log)
		}
	})
	return n
}

func (n *fakeNode) list([]string) ([]link, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.links, nil
}

func (n *fakeNode) watch(ctx context.Context, changed func()) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-n.changed:
			changed()
		}
	}
}

// relink changes the node's links.
func (n *fakeNode) relink(links ...link) {
	n.mu.Lock()
	n.links = links
	n.mu.Unlock()
	nudge(n.changed)
}

// serve tells some nodes that services have endpoints: "web" for one that every
// node leads to, "web here" for a Local one on this node.
func (f *fleet) serve(addr string, services map[string]string, nodes ...*fakeNode) {
	f.t.Helper()
	for _, n := range nodes {
		n.feed.Put(snapshotOf(f.t, addr, services))
	}
}

// snapshotOf returns a registry of services at an address: each "anywhere",
// "on NODE" for a Local one with an endpoint there, or "down".
func snapshotOf(t *testing.T, addr string, services map[string]string) (*registry.Snapshot, *registry.Changes) {
	t.Helper()
	var manifests []string
	changes := &registry.Changes{}
	for name, where := range services {
		policy, node := "Cluster", ""
		if on, ok := strings.CutPrefix(where, "on "); ok {
			policy, node = "Local", ", nodeName: "+on
		}
		manifests = append(manifests, fmt.Sprintf(`{apiVersion: v1, kind: Service, metadata: {namespace: ns, name: %s}, spec: {type: LoadBalancer, externalTrafficPolicy: %s, ports: [{port: 80}]}, status: {loadBalancer: {ingress: [{ip: "%s"}]}}}`, name, policy, addr))
		if where != "down" {
			family, endpoint := "IPv4", "10.1.0.1"
			if netip.MustParseAddr(addr).Is6() {
				family, endpoint = "IPv6", "fd01::1"
			}
			manifests = append(manifests, fmt.Sprintf(`{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {namespace: ns, name: %s, labels: {kubernetes.io/service-name: %s}}, addressType: %s, ports: [{port: 80}], endpoints: [{addresses: ["%s"]%s}]}`, name, name, family, endpoint, node))
		}
		changes.Services = append(changes.Services, registry.Key{Namespace: "ns", Name: name})
	}
	return registrytest.Snapshot(t, strings.Join(manifests, "\n---\n")), changes
}

// allocate gives an address to services, from a pool.
func (f *fleet) allocate(addr, pool string, services ...string) {
	f.t.Helper()
	var holders []string
	for _, s := range services {
		holders = append(holders, fmt.Sprintf(`{"namespace":"ns","name":%q}`, s))
	}
	f.put("/registry/svcreg/addresses/"+addr, fmt.Sprintf(`{"pool":%q,"holders":[%s]}`, pool, strings.Join(holders, ",")))
}

func (f *fleet) put(key, value string) {
	f.t.Helper()
	if _, err := f.etcd.Client().Put(f.t.Context(), key, value); err != nil {
		f.t.Fatal(err)
	}
}

// holder returns the node that has claimed an address; empty for none.
func (f *fleet) holder(addr string) string {
	got, err := f.etcd.Client().Get(context.Background(), "/registry/svcreg/announced/"+addr)
	if err != nil || len(got.Kvs) == 0 {
		return ""
	}
	return string(got.Kvs[0].Value)
}

// joining reports whether a node says that it has only just come.
func (f *fleet) joining(node string) bool {
	got, err := f.etcd.Client().Get(context.Background(), "/registry/svcreg/announcers/"+node)
	if err != nil || len(got.Kvs) == 0 {
		return false
	}
	m, err := decodeMember(got.Kvs[0].Value)
	return err == nil && m.Joining
}

func (f *fleet) eventually(what string, done func() bool) {
	f.t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			f.t.Fatalf("never: %s", what)
		}
	}
}

// answers returns the nodes that answer for an address now.
func (f *fleet) answers(addr string) (nodes []string) {
	f.segment.take()
	f.segment.say(question(netip.MustParseAddr(addr)))
	heard := f.segment.take()
	for _, frame := range heard {
		for _, n := range f.nodes {
			if n.mac == frame.from && frame.heard.claims == netip.MustParseAddr(addr) {
				nodes = append(nodes, n.name)
			}
		}
	}
	return nodes
}

// announced waits until a node, and no other, answers for an address and has
// claimed it; an empty name means that nobody does.
func (f *fleet) announced(addr, by string) {
	f.t.Helper()
	f.eventually(fmt.Sprintf("%s is announced by %q alone", addr, by), func() bool {
		nodes := strings.Join(f.answers(addr), " ")
		return nodes == by && f.holder(addr) == by
	})
}
