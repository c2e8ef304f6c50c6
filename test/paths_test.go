package test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/svcreg/svcreg/test/lab"
)

// Every way of reaching a service, on one fleet.
func TestWaysOfReachingAService(t *testing.T) {
	f := newFleet(t)
	t.Run("names", f.testNames)
	t.Run("pod to service by name", f.testByName)
	t.Run("pod to a server outside", f.testExternal)
	t.Run("pod to its own service", f.testHairpin)
	t.Run("node to portal IP", f.testFromNode)
	t.Run("outside to publicIP", f.testPublicIP)
	t.Run("etcd through its portal IP", f.testEtcd)
	t.Run("UDP", f.testUDP)
	t.Run("several ports and affinity", f.testAffinity)
	t.Run("IPv6", f.testIPv6)
	t.Run("no endpoints", f.testRefused)
	t.Run("real clients", f.testRealClients)
	t.Run("environment variables", f.testVariables)
}

// within runs a part of a test with the fleet's helpers reporting to it.
func (f *fleet) within(t *testing.T) *fleet {
	part := *f
	part.t = t
	return &part
}

func (f *fleet) testNames(t *testing.T) {
	for name, want := range map[string][]string{
		"redis-master.my-ns.svc.cluster.local.": {"10.0.0.11"},
		"redis-master.my-ns.cluster.local.":     {"10.0.0.11"},
		"redis-master.my-ns.":                   {"10.0.0.11"},
		"db.my-ns.svc.cluster.local.":           {"10.244.1.2", "10.244.2.2"},
		"db-1.db.my-ns.svc.cluster.local.":      {"10.244.2.2"},
	} {
		got, err := f.lookup(f.pod1, name)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s is %v (%v), want %v", name, got, err, want)
		}
	}
	if err := notFound(f.lookup(f.pod1, "nobody.my-ns.svc.cluster.local.")); err != nil {
		t.Error(err)
	}
}

// pod → name → portal IP → endpoints on this and on the other node.
func (f *fleet) testByName(t *testing.T) {
	f = f.within(t)
	f.servers(f.pod1, "http://my-service.my-ns.svc.cluster.local/", "pod2", "pod3", "pod4")
	f.servers(f.pod4, "http://my-service.my-ns.svc.cluster.local/", "pod2", "pod3", "pod4")
	// Inside the cluster the source address is kept.
	if a, err := f.get(f.pod1, "http://redis-master.my-ns:6379/"); err != nil || a != (answer{"pod4", "10.244.1.9"}) {
		t.Errorf("pod1 to redis-master: %v %v, want pod4 to see pod1's address", a, err)
	}
}

// pod → service without a selector → a server outside, which has no route to
// pods, and so must see the node.
func (f *fleet) testExternal(t *testing.T) {
	a, err := f.get(f.pod1, "http://myapp.default.svc.cluster.local/")
	if err != nil || a != (answer{"outside", "192.0.2.10"}) {
		t.Errorf("pod1 to myapp: %v %v, want outside to see node1", a, err)
	}
}

// pod → its own service → itself.
func (f *fleet) testHairpin(t *testing.T) {
	f = f.within(t)
	for _, pod := range []*lab.Host{f.pod2, f.pod3, f.pod4} {
		f.servers(pod, "http://my-service.my-ns/", "pod2", "pod3", "pod4")
	}
}

func (f *fleet) testFromNode(t *testing.T) {
	f = f.within(t)
	f.servers(f.node1, "http://my-service.my-ns/", "pod2", "pod3", "pod4")
	f.servers(f.node2, "http://my-service.my-ns/", "pod2", "pod3", "pod4")
}

func (f *fleet) testPublicIP(t *testing.T) {
	f.within(t).servers(f.outside, "http://"+publicIP+"/", "pod2", "pod3", "pod4")
}

// A real etcd client, in a pod, through the portal IP of myetcd.
func (f *fleet) testEtcd(t *testing.T) {
	f = f.within(t)
	client := f.connect(f.pod1, "http://"+f.portalIP("myetcd.default")+":80")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	got, err := client.Get(ctx, "/registry/services/specs/default/myetcd")
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Kvs) != 1 || !strings.Contains(string(got.Kvs[0].Value), `"myetcd"`) {
		t.Errorf("myetcd's own object, read through myetcd: %v", got.Kvs)
	}
}

func (f *fleet) testUDP(t *testing.T) {
	f = f.within(t)
	seen := map[string]bool{}
	address := net.JoinHostPort(f.portalIP("udp-echo.my-ns"), "7")
	for _, host := range []*lab.Host{f.pod1, f.node1, f.pod2} {
		for range 20 {
			a, err := f.getUDP(host, address)
			if err != nil {
				t.Fatalf("%s: %v", host.Name(), err)
			}
			seen[a.server] = true
		}
	}
	if len(seen) != 2 || !seen["pod2"] || !seen["pod4"] {
		t.Errorf("answered by %v, want pod2 and pod4", seen)
	}
}

// The service in protobuf: two ports, and a client keeps its endpoint.
func (f *fleet) testAffinity(t *testing.T) {
	for _, port := range []string{"80", "8443"} {
		first, err := f.get(f.pod1, "http://frontend.my-ns:"+port+"/")
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if a, err := f.get(f.pod1, "http://frontend.my-ns:"+port+"/"); err != nil || a != first {
				t.Fatalf("port %s: %v %v after %v", port, a, err, first)
			}
		}
	}
}

func (f *fleet) testIPv6(t *testing.T) {
	f = f.within(t)
	addrs, err := f.lookup(f.pod1, "both.my-ns.svc.cluster.local.")
	if err != nil || len(addrs) != 2 || !strings.HasPrefix(addrs[1], "fd00:10::") {
		t.Fatalf("both.my-ns is %v (%v), want one address of each family", addrs, err)
	}
	for _, addr := range addrs {
		f.servers(f.pod1, "http://"+net.JoinHostPort(addr, "80")+"/", "pod3", "pod4")
		f.servers(f.pod4, "http://"+net.JoinHostPort(addr, "80")+"/", "pod3", "pod4") // hairpin too
	}
}

// Without endpoints a connection is refused, not left to time out.
func (f *fleet) testRefused(t *testing.T) {
	f = f.within(t)
	f.apply(`{"kind": "Service", "apiVersion": "v1beta1", "id": "empty", "port": 80, "publicIPs": ["203.0.113.11"]}`)
	portal := f.portalIP("empty.default")
	for _, from := range []struct {
		host    *lab.Host
		address string
	}{{f.pod1, portal}, {f.node1, portal}, {f.pod4, portal}, {f.outside, "203.0.113.11"}} {
		refused := func() error {
			conn, err := from.host.Dial(t.Context(), "tcp", net.JoinHostPort(from.address, "80"))
			if err == nil {
				conn.Close()
				return errors.New("connected")
			}
			if !errors.Is(err, syscall.ECONNREFUSED) {
				return err
			}
			return nil
		}
		eventually(t, patience, from.host.Name()+" is refused", refused)
		// A lost SYN is sent again after a second, each time; a busy machine
		// takes as long for one, perhaps.
		fastest := time.Hour
		for range 3 {
			began := time.Now()
			if err := refused(); err != nil {
				t.Errorf("%s: %v", from.host.Name(), err)
			}
			fastest = min(fastest, time.Since(began))
		}
		if fastest > time.Second {
			t.Errorf("%s: refused after %v, want at once", from.host.Name(), fastest)
		}
	}
}

// What people use: dig and curl.
func (f *fleet) testRealClients(t *testing.T) {
	out, err := f.pod1.Command(t.Context(), "dig", "+short", "@192.0.2.10", "redis-master.my-ns.svc.cluster.local").CombinedOutput()
	if err != nil || string(out) != "10.0.0.11\n" {
		t.Errorf("dig: %q (%v)", out, err)
	}
	out, err = f.pod1.Command(t.Context(), "dig", "+short", "@192.0.2.10", "-x", "10.0.0.11").CombinedOutput()
	if err != nil || string(out) != "redis-master.my-ns.svc.cluster.local.\n" {
		t.Errorf("dig -x: %q (%v)", out, err)
	}
	out, err = f.pod1.Command(t.Context(), "curl", "-sS", "--max-time", "5", "http://10.0.0.11:6379/").CombinedOutput()
	if err != nil || string(out) != "pod4 10.244.1.9" {
		t.Errorf("curl: %q (%v)", out, err)
	}
}

// What a process that can't ask DNS is told of redis-master.
func (f *fleet) testVariables(t *testing.T) {
	const want = `REDIS_MASTER_SERVICE_HOST=10.0.0.11
REDIS_MASTER_SERVICE_PORT=6379
REDIS_MASTER_PORT=tcp://10.0.0.11:6379
REDIS_MASTER_PORT_6379_TCP=tcp://10.0.0.11:6379
REDIS_MASTER_PORT_6379_TCP_PROTO=tcp
REDIS_MASTER_PORT_6379_TCP_PORT=6379
REDIS_MASTER_PORT_6379_TCP_ADDR=10.0.0.11
`
	if got := f.within(t).svcctl("env", "-n", "my-ns", "--service", "redis-master"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
