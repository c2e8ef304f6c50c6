package announce_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/proxyd"
	"github.com/svcreg/svcreg/proxyd/announce"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/etcd"
	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/test/lab"
)

const (
	etcdURL = "http://10.9.0.1:2379"
	vip     = "192.0.2.100"
	vip6    = "2001:db8::101"
	// Of node1, node2 and node3, this one is chosen for both addresses.
	chosenNode = "node1"
	// patience is how long a test waits for what must come.
	patience = 30 * time.Second
)

// TestMain is also the main function of the nodes' processes.
func TestMain(m *testing.M) {
	if name := os.Getenv("SVCREG_ANNOUNCE_NODE"); name != "" {
		if err := runNode(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if os.Getenv("SVCREG_ANNOUNCE_TRY") != "" {
		names, err := announce.TryLinks()
		fmt.Println(names)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// runNode is a proxyd that balances loads.
func runNode(name string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	c := proxyd.DefaultConfig()
	c.Etcd = etcd.Config{Endpoints: []string{etcdURL}}
	c.NodeName, c.ProxyMode = name, proxyd.NFTables
	c.API.Listen, c.HealthzListen, c.MetricsListen = "", "", ""
	c.Controllers.Names = []string{"loadbalancer"}
	c.Controllers.Announce.Settle = time.Second // which nobody waits for who measures
	return proxyd.Run(ctx, c)
}

// segment is three nodes and a client on one Ethernet, and etcd and a server
// behind the nodes on another:
//
//	etcd, web ── back ── node1, node2, node3 ── lan ── out
type segment struct {
	tb    testing.TB
	lab   *lab.Lab
	nodes map[string]*nodeProcess
	out   *lab.Host
	web   *lab.Host
	etcd  *registrytest.Member
}

type nodeProcess struct {
	*lab.Host
	tb  testing.TB
	mac string
	cmd *exec.Cmd
	log *os.File
}

const pool = `{"kind": "AddressPool", "apiVersion": "svcreg.io/v1", "metadata": {"name": "lan"},
"spec": {"addresses": ["192.0.2.100-192.0.2.100", "2001:db8::101-2001:db8::101"]}}`

const service = `
{apiVersion: v1, kind: Service, metadata: {namespace: default, name: web},
 spec: {type: LoadBalancer, ports: [{port: 80, protocol: TCP}], clusterIP: 10.0.0.10, clusterIPs: [10.0.0.10, "fd00:10::10"]}}
`

const endpointSlices = `
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {namespace: default, name: web-4, labels: {kubernetes.io/service-name: web}},
 addressType: IPv4, ports: [{port: 80, protocol: TCP}], endpoints: [{addresses: [10.9.0.2], conditions: {ready: true}}]}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {namespace: default, name: web-6, labels: {kubernetes.io/service-name: web}},
 addressType: IPv6, ports: [{port: 80, protocol: TCP}], endpoints: [{addresses: ["fd09::2"], conditions: {ready: true}}]}
`

// newSegment builds it and starts the nodes.
func newSegment(tb testing.TB) *segment {
	tb.Helper()
	l := lab.New(tb, "nft")
	s := &segment{tb: tb, lab: l, nodes: map[string]*nodeProcess{}, out: l.Host("out"), web: l.Host("web")}
	store := l.Host("etcd")
	lan, back := []*lab.Host{s.out}, []*lab.Host{store, s.web}
	for _, name := range []string{"node1", "node2", "node3"} {
		n := &nodeProcess{Host: l.Host(name), tb: tb}
		s.nodes[name] = n
		lan, back = append(lan, n.Host), append(back, n.Host)
	}
	l.Switch("lan", lan...)
	l.Switch("back", back...)
	s.out.Addr("lan", "192.0.2.1/24", "2001:db8::1/64")
	store.Addr("back", "10.9.0.1/24")
	s.web.Addr("back", "10.9.0.2/24", "fd09::2/64")
	for i, name := range []string{"node1", "node2", "node3"} {
		n := s.nodes[name]
		n.Addr("lan", fmt.Sprintf("192.0.2.1%d/24", i+1), fmt.Sprintf("2001:db8::1%d/64", i+1))
		n.Addr("back", fmt.Sprintf("10.9.0.1%d/24", i+1), fmt.Sprintf("fd09::1%d/64", i+1))
		n.Forward()
		// As strict as a kernel can be.
		n.Sysctl("net/ipv4/conf/all/rp_filter", "1")
		n.Sysctl("net/ipv4/conf/all/arp_ignore", "2")
		n.Sysctl("net/ipv4/conf/all/arp_announce", "2")
		n.Do(func() {
			if ifi, err := net.InterfaceByName("lan"); err == nil {
				n.mac = ifi.HardwareAddr.String()
			}
		})
	}
	s.startEtcd(store)
	s.serve(":80")
	for _, n := range s.nodes {
		n.start()
	}
	return s
}

func (s *segment) startEtcd(host *lab.Host) {
	s.tb.Helper()
	s.etcd = registrytest.StartClusterAt(s.tb, registrytest.Place{
		Client: url.URL{Scheme: "http", Host: "10.9.0.1:2379"}, Peer: url.URL{Scheme: "http", Host: "10.9.0.1:2380"},
		Command: host.Command, Dial: host.Dial,
	})[0]
	s.put("/registry/svcreg/pools/lan", pool)
	documents, err := codec.ParseDocuments("manifests", []byte(service+"---"+endpointSlices))
	if err != nil {
		s.tb.Fatal(err)
	}
	layout, _ := codec.NewLayout("")
	for _, d := range documents {
		o, err := d.Object()
		if err != nil {
			s.tb.Fatal(err)
		}
		value, err := d.Value()
		if err != nil {
			s.tb.Fatal(err)
		}
		s.put(layout.Key(o.Ref()), string(value))
	}
}

func (s *segment) client() *clientv3.Client { return s.etcd.Connect() }

func (s *segment) put(key, value string) {
	s.tb.Helper()
	if _, err := s.client().Put(s.tb.Context(), key, value); err != nil {
		s.tb.Fatal(err)
	}
}

// serve has the server answer connections with a word.
func (s *segment) serve(address string) {
	s.tb.Helper()
	l, err := s.web.Listen("tcp", address)
	if err != nil {
		s.tb.Fatal(err)
	}
	s.tb.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write([]byte("hello"))
			conn.Close()
		}
	}()
}

// start starts the node's process.
func (n *nodeProcess) start() {
	n.tb.Helper()
	self, err := os.Executable()
	if err != nil {
		n.tb.Fatal(err)
	}
	if n.log == nil {
		if n.log, err = os.Create(n.tb.TempDir() + "/log"); err != nil {
			n.tb.Fatal(err)
		}
		n.tb.Cleanup(n.end)
	}
	n.cmd = n.Command(context.Background(), self)
	n.cmd.Env = append(os.Environ(), "SVCREG_ANNOUNCE_NODE="+n.Name(), "GOMAXPROCS=1")
	n.cmd.Stdout, n.cmd.Stderr = n.log, n.log
	if err := n.cmd.Start(); err != nil {
		n.tb.Fatal(err)
	}
}

// kill ends the process at once.
func (n *nodeProcess) kill() {
	if n.cmd != nil {
		_ = n.cmd.Process.Kill()
		_ = n.cmd.Wait()
		n.cmd = nil
	}
}

func (n *nodeProcess) end() {
	n.kill()
	if n.tb.Failed() {
		text, _ := os.ReadFile(n.log.Name())
		n.tb.Logf("%s said:\n%s", n.Name(), text)
	}
	n.log.Close()
}

// holder waits until an address is claimed, by none of some nodes, and returns
// who has it.
func (s *segment) holder(addr string, not ...string) *nodeProcess {
	s.tb.Helper()
	var last string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		got, err := s.client().Get(s.tb.Context(), "/registry/svcreg/announced/"+addr)
		if err != nil {
			s.tb.Fatal(err)
		}
		if last = ""; len(got.Kvs) == 1 {
			last = string(got.Kvs[0].Value)
		}
		if last != "" && !strings.Contains(strings.Join(not, " ")+" ", last+" ") {
			return s.nodes[last]
		}
	}
	s.tb.Fatalf("%s: announced by %q, want a node that isn't %v", addr, last, not)
	return nil
}

// all waits until all nodes take part.
func (s *segment) all() {
	s.tb.Helper()
	s.eventually("three announcers", func() bool {
		got, err := s.client().Get(s.tb.Context(), "/registry/svcreg/announcers/", clientv3.WithPrefix(), clientv3.WithCountOnly())
		return err == nil && got.Count == 3
	})
}

func (s *segment) eventually(what string, done func() bool) {
	s.tb.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.tb.Fatalf("never: %s", what)
		}
	}
}

// connect opens a connection from outside and hears the server's word.
func (s *segment) connect(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	conn, err := s.out.Dial(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(100 * time.Millisecond))
	_, err = conn.Read(make([]byte, 1))
	return err
}

// knocker opens connections from outside, one after the other.
type knocker struct {
	stop  context.CancelFunc
	tasks sync.WaitGroup
	mu    sync.Mutex
	last  time.Time
	gap   time.Duration // the longest between two that succeeded
	n     int
}

func (s *segment) knock(address string) *knocker {
	ctx, stop := context.WithCancel(context.Background())
	k := &knocker{stop: stop, last: time.Now()}
	k.tasks.Go(func() {
		for ctx.Err() == nil {
			err := s.connect(address)
			k.mu.Lock()
			if now := time.Now(); err == nil {
				k.gap, k.last, k.n = max(k.gap, now.Sub(k.last)), now, k.n+1
			}
			k.mu.Unlock()
			time.Sleep(5 * time.Millisecond)
		}
	})
	return k
}

// since reports whether a connection succeeded that ended after a time.
func (k *knocker) since(t time.Time) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.last.After(t)
}

// outage ends it and returns the longest time without a success.
func (k *knocker) outage() time.Duration {
	k.stop()
	k.tasks.Wait()
	return max(k.gap, 0)
}
