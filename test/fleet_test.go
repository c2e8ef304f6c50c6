// Package test proves the whole of svcreg: the real programs, with a real
// etcd, on hosts made of network namespaces, used as its users use it.
package test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/test/lab"
)

// fleet is two nodes, their pods, and a host outside:
//
//	pod1, pod2, pod3 ── node1 ─┐
//	                           lan ── outside
//	            pod4 ── node2 ─┘
//
// node1 has etcd; both nodes have proxyd and DNS. pod1 is a client, the other
// pods serve. outside routes nothing to the pods: it knows the nodes, and that
// the public addresses are at node1. It is also the server outside that
// services without selectors stand for.
type fleet struct {
	t                            *testing.T
	node1, node2                 *lab.Host
	pod1, pod2, pod3, pod4       *lab.Host
	outside                      *lab.Host
	etcd                         *daemon
	proxyd1, proxyd2, dns1, dns2 *daemon
	dir                          string
	client                       *clientv3.Client
}

const (
	nameserver1 = "192.0.2.10:53"
	nameserver2 = "192.0.2.20:53"
	publicIP    = "203.0.113.10"
	theirServer = "173.194.112.206" // what myapp stands for; here it is outside
)

// newFleet builds the hosts, starts the programs, and writes the examples.
func newFleet(t *testing.T) *fleet {
	t.Helper()
	f := &fleet{t: t, dir: t.TempDir()}
	f.build(lab.New(t, "iptables", "dig", "curl"))
	f.serve()
	f.etcd = run(t, f.node1, f.etcdCommand()...)
	f.client = f.connect(f.node1, "http://127.0.0.1:2379")
	f.waitEtcd()
	f.svcctl("init", "--portal-net=10.0.0.0/16", "--portal-net=fd00:10::/112")
	f.svcctl("apply", "-f", "../examples")
	f.dns1, f.dns2 = f.startDNS(f.node1), f.startDNS(f.node2)
	f.proxyd1, f.proxyd2 = f.startProxyd(f.node1), f.startProxyd(f.node2)
	for _, node := range []*lab.Host{f.node1, f.node2} {
		eventually(t, patience, "proxyd ready on "+node.Name(), f.ready(node, "10256/readyz"))
		eventually(t, patience, "DNS ready on "+node.Name(), f.ready(node, "8181/ready"))
	}
	return f
}

// build lays the network.
func (f *fleet) build(l *lab.Lab) {
	f.node1, f.node2, f.outside = l.Host("node1"), l.Host("node2"), l.Host("outside")
	l.Switch("lan", f.node1, f.node2, f.outside)
	f.node1.Addr("lan", "192.0.2.10/24", "2001:db8::10/64")
	f.node2.Addr("lan", "192.0.2.20/24", "2001:db8::20/64")
	f.outside.Addr("lan", "192.0.2.1/24", "2001:db8::1/64")
	f.outside.Addr("lo", "198.51.100.7/32", theirServer+"/32", "2001:db8:f::7/128")
	f.outside.Route("203.0.113.0/24 via 192.0.2.10 src 198.51.100.7")

	f.pod1 = f.pod(l, "pod1", f.node1, "10.244.1.9", "fd00:244:1::9")
	f.pod2 = f.pod(l, "pod2", f.node1, "10.244.1.2", "fd00:244:1::2")
	f.pod3 = f.pod(l, "pod3", f.node1, "10.244.1.3", "fd00:244:1::3")
	f.pod4 = f.pod(l, "pod4", f.node2, "10.244.2.2", "fd00:244:2::2")
	f.node1.Forward()
	f.node2.Forward()
	f.node1.Route("default via 192.0.2.1", "10.244.2.0/24 via 192.0.2.20")
	f.node2.Route("default via 192.0.2.1", "10.244.1.0/24 via 192.0.2.10")
	f.node1.Route("default via 2001:db8::1", "fd00:244:2::/64 via 2001:db8::20")
	f.node2.Route("default via 2001:db8::1", "fd00:244:1::/64 via 2001:db8::10")
}

// pod adds a host that is routed through its node, with an address of each
// family.
func (f *fleet) pod(l *lab.Lab, name string, node *lab.Host, v4, v6 string) *lab.Host {
	pod := l.Host(name)
	l.Link(pod, node)
	pod.Addr(node.Name(), v4+"/32", v6+"/128")
	node.Addr(name, "10.244.0.1/32", "fd00:244::1/128")
	pod.Route("10.244.0.1 dev "+node.Name(), "default via 10.244.0.1",
		"fd00:244::1 dev "+node.Name(), "default via fd00:244::1")
	node.Route(v4+" dev "+name, v6+" dev "+name)
	return pod
}

// serve starts what stands behind the examples.
func (f *fleet) serve() {
	for _, pod := range []*lab.Host{f.pod2, f.pod3, f.pod4} {
		for _, port := range []string{"8080", "9090", "5432", "6379"} {
			serveHTTP(f.t, pod, port)
		}
		serveUDP(f.t, pod, "7007")
	}
	serveHTTP(f.t, f.outside, "80")
}

func (f *fleet) etcdCommand() []string {
	return []string{registrytest.EtcdBinary(f.t),
		"--data-dir", filepath.Join(f.dir, "etcd"), "--log-level", "error", "--unsafe-no-fsync",
		"--listen-client-urls", "http://127.0.0.1:2379,http://192.0.2.10:2379,http://192.0.2.10:4001",
		"--advertise-client-urls", "http://192.0.2.10:4001",
		"--listen-peer-urls", "http://127.0.0.1:2380",
	}
}

func (f *fleet) startProxyd(node *lab.Host) *daemon {
	return run(f.t, node, program(f.t, "proxyd"),
		"--etcd-endpoints=http://192.0.2.10:2379",
		"--cluster-cidr=10.244.0.0/16,fd00:244::/32",
		"--public-ip-ranges=203.0.113.0/24",
		"--snapshot="+filepath.Join(f.dir, node.Name()+"-proxyd.snapshot"))
}

func (f *fleet) startDNS(node *lab.Host) *daemon {
	file := filepath.Join(f.dir, node.Name()+".Corefile")
	corefile := `.:53 {
	errors
	ready
	svcreg cluster.local . in-addr.arpa ip6.arpa {
		endpoint http://192.0.2.10:2379
		snapshot ` + filepath.Join(f.dir, node.Name()+"-dns.snapshot") + `
	}
}
`
	if err := os.WriteFile(file, []byte(corefile), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return run(f.t, node, program(f.t, "coredns"), "-conf", file)
}

// connect returns an etcd client of a host.
func (f *fleet) connect(host *lab.Host, endpoint string) *clientv3.Client {
	f.t.Helper()
	client, err := clientv3.New(clientv3.Config{
		Endpoints: []string{endpoint},
		Logger:    zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return host.Dial(ctx, "tcp", strings.TrimPrefix(address, "http://"))
		})},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { client.Close() })
	return client
}

// svcctl runs svcctl on node1, beside etcd, and returns what it printed.
func (f *fleet) svcctl(args ...string) string {
	f.t.Helper()
	out, err := f.node1.Command(f.t.Context(), program(f.t, "svcctl"), args...).CombinedOutput()
	if err != nil {
		f.t.Fatalf("svcctl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// apply writes manifests into the registry.
func (f *fleet) apply(manifests string) {
	f.t.Helper()
	cmd := f.node1.Command(f.t.Context(), program(f.t, "svcctl"), "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(manifests)
	if out, err := cmd.CombinedOutput(); err != nil {
		f.t.Fatalf("svcctl apply: %v\n%s\n%s", err, out, manifests)
	}
}

// portalIP returns the address that a service was given, once DNS has it.
func (f *fleet) portalIP(service string) (addr string) {
	f.t.Helper()
	eventually(f.t, patience, "portal IP of "+service, func() error {
		addrs, err := f.lookup(f.node1, service+".svc.cluster.local.")
		if err == nil {
			addr = addrs[0]
		}
		return err
	})
	return addr
}
