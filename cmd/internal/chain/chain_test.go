package chain

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coredns/caddy"
	"github.com/miekg/dns"
)

const mySvc = "my-service.my-ns.svc.cluster.local."

// What is written to etcd is answered; what is deleted is not.
func TestAnswersFollowEtcd(t *testing.T) {
	etcd := startRegistry(t)
	s := start(t, corefile(etcd.Endpoint(), ""))
	s.want(mySvc, dns.TypeA, "NXDOMAIN")
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	s.want(mySvc, dns.TypeA, "10.0.0.11")
	s.want("my-service.my-ns.cluster.local.", dns.TypeA, "10.0.0.11")
	s.want("11.0.0.10.in-addr.arpa.", dns.TypePTR, mySvc)
	etcd.put("specs/my-ns/my-service", service("my-service", "None"))
	s.want(mySvc, dns.TypeA, "NXDOMAIN")
	etcd.put("endpoints/my-ns/my-service", endpoints("my-service", "192.0.2.1:80", "192.0.2.2:80"))
	s.want(mySvc, dns.TypeA, "192.0.2.1 192.0.2.2")
	etcd.put("specs/my-ns/my-service", "this is no service")
	etcd.put("endpoints/my-ns/my-service", endpoints("my-service", "192.0.2.3:80"))
	s.want(mySvc, dns.TypeA, "192.0.2.3")
	etcd.delete("specs/my-ns/my-service")
	s.want(mySvc, dns.TypeA, "NXDOMAIN")
}

// etcd may go away, and the server may be started again meanwhile.
func TestWithoutEtcd(t *testing.T) {
	etcd := startRegistry(t)
	file := filepath.Join(t.TempDir(), "snapshot")
	config := corefile(etcd.Endpoint(), "snapshot "+file+"\nstartup_timeout 1m")
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	s := start(t, config)
	s.want(mySvc, dns.TypeA, "10.0.0.11")
	etcd.Stop()
	s.want(mySvc, dns.TypeA, "10.0.0.11")
	s.stop()
	began := time.Now()
	s = start(t, config)
	s.want(mySvc, dns.TypeA, "10.0.0.11")
	if took := time.Since(began); took > time.Minute {
		t.Errorf("from the file it answers after %v, when it has given etcd up", took)
	}
	etcd.Restart()
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.12"))
	s.want(mySvc, dns.TypeA, "10.0.0.12")
}

// A server that has never known the registry doesn't say what exists.
func TestNeverSynced(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	etcd.Stop()
	s := start(t, corefile(etcd.Endpoint(), "startup_timeout 10ms\nfallthrough", "forward . 127.0.0.1:1"))
	s.want(mySvc, dns.TypeA, "SERVFAIL")
	etcd.Restart()
	s.want(mySvc, dns.TypeA, "10.0.0.11")
}

// No query is lost, or answered as if nothing were there, while the server is
// reloaded: with etcd there and with etcd away.
func TestReload(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	config := func(ttl int) string { return corefile(etcd.Endpoint(), fmt.Sprintf("startup_timeout 1s\nttl %d", ttl)) }
	s := start(t, config(1))
	s.want(mySvc, dns.TypeA, "10.0.0.11")
	load := startLoad(t, s.addr("udp").String(), mySvc, "10.0.0.11")
	for ttl := range 5 {
		if err := s.reload(config(10 + ttl)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.reload(corefile(etcd.Endpoint(), "ttl broken")); err == nil {
		t.Error("a broken Corefile was taken in")
	}
	etcd.Stop()
	another := etcd.Endpoint() + " http://127.0.0.1:1" // a member more is the same registry
	if err := s.reload(corefile(another, "startup_timeout 1s\nttl 20")); err != nil {
		t.Fatal(err)
	}
	if m, err := s.exchange("udp", mySvc, dns.TypeA, 0); err != nil || len(m.Answer) != 1 || m.Answer[0].Header().Ttl != 20 {
		t.Errorf("after the reload: %v, error %v", m, err)
	}
	etcd.Restart()
	etcd.put("specs/my-ns/other", service("other", "10.0.0.12"))
	s.want("other.my-ns.svc.cluster.local.", dns.TypeA, "10.0.0.12")
	load.stop()
}

// A reload that fails when the new instance follows the registry already leaves
// nothing of that behind.
func TestReloadThatFails(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	config := corefile(etcd.Endpoint(), "")
	s := start(t, config)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	_, port, _ := net.SplitHostPort(taken.Addr().String())
	if err := s.reload(config + ".:" + port + " {\nbind 127.0.0.1\nerrors\n}\n"); err == nil {
		t.Fatal("it listens where somebody else does")
	}
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.12"))
	s.want(mySvc, dns.TypeA, "10.0.0.12")
	s.stop()
	if _, ok := number(t, "synced"); ok {
		t.Error("somebody follows the registry still")
	}
}

// load asks one question again and again.
type load struct {
	t     *testing.T
	end   chan struct{}
	wait  sync.WaitGroup
	asked atomic.Int64
}

func startLoad(t *testing.T, addr, name, want string) *load {
	l := &load{t: t, end: make(chan struct{})}
	for range 2 {
		l.wait.Go(func() { l.run(addr, name, want) })
	}
	return l
}

func (l *load) run(addr, name, want string) {
	c := dns.Client{Timeout: patience}
	conn, err := c.Dial(addr)
	if err != nil {
		l.t.Error(err)
		return
	}
	defer func() { _ = conn.Close() }()
	for {
		select {
		case <-l.end:
			return
		default:
		}
		m, _, err := c.ExchangeWithConn(new(dns.Msg).SetQuestion(name, dns.TypeA), conn)
		if err != nil {
			l.t.Errorf("query %d: %v", l.asked.Load(), err)
			return
		}
		if got := said(m); got != want {
			l.t.Errorf("query %d: got %q, want %q", l.asked.Load(), got, want)
		}
		l.asked.Add(1)
	}
}

func (l *load) stop() {
	close(l.end)
	l.wait.Wait()
	if l.asked.Load() == 0 {
		l.t.Error("nothing was asked")
	}
}

// An ExternalName service is followed by the server itself.
func TestExternalNameThroughTheChain(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/docs", `{"kind": "Service", "apiVersion": "v1", "spec": {"type": "ExternalName", "externalName": "www.example.org"}}`)
	hosts := "hosts {\n192.0.2.80 www.example.org\nfallthrough\n}"
	s := start(t, corefile(etcd.Endpoint(), "", hosts))
	s.want("docs.my-ns.svc.cluster.local.", dns.TypeA, "www.example.org. 192.0.2.80")
}

func TestMetrics(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	etcd.put("specs/my-ns/bad", "this is no service")
	s := start(t, corefile(etcd.Endpoint(), ""))
	// It answers once it has listed, and follows a moment later.
	eventually(t, "following", func() bool { n, _ := number(t, "synced"); return n == 1 })
	for name, want := range map[string]float64{
		"objects":               1,
		"lists_total":           1,
		"undecodable_objects":   1,
		"decode_failures_total": 1,
	} {
		if got, _ := number(t, name); got != want {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.12"))
	eventually(t, "the change to be counted", func() bool { n, _ := number(t, "events_total"); return n == 1 })
	if revision, _ := number(t, "revision"); revision < 3 {
		t.Errorf("revision is %v, which is not etcd's", revision)
	}
	s.stop()
	if _, ok := number(t, "synced"); ok {
		t.Error("a server that was stopped has metrics")
	}
}

// Corefile.example starts as it stands, but for the ports.
func TestCorefileExample(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	text, err := os.ReadFile("../../../Corefile.example")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, elsewhere(t, string(text), etcd.Endpoint()))
	s.want(mySvc, dns.TypeA, "10.0.0.11")
	s.want("11.0.0.10.in-addr.arpa.", dns.TypePTR, mySvc)
}

// elsewhere moves a Corefile to free ports, its files to a directory of its
// own, and points it to an etcd.
func elsewhere(t *testing.T, corefile, etcd string) string {
	t.Helper()
	for _, re := range []struct{ old, new string }{
		{`http://127\.0\.0\.1:2379`, etcd},
		{`(?m)^(\S+?)(:1053)? \{$`, "$1:0 {"},
		{`bind 127\.0\.0\.1 ::1`, "bind 127.0.0.1"},
		{`127\.0\.0\.1:(8181|9153)`, "127.0.0.1:0"},
		{`/var/lib/svcreg`, t.TempDir()},
	} {
		corefile = regexp.MustCompile(re.old).ReplaceAllString(corefile, re.new)
	}
	return corefile
}

// Each directive is a plugin that is linked in, svcreg stands in its place,
// and no cloud provider's plugin came along.
func TestDirectives(t *testing.T) {
	registered := caddy.ListPlugins()["others"]
	for _, directive := range directives {
		if !slices.Contains(registered, "dns."+directive) && !slices.Contains(registered, directive) {
			t.Errorf("%s is in the list, but not in the program", directive)
		}
	}
	for _, p := range []string{"cache", "rewrite", "loadbalance", "hosts"} {
		if slices.Index(directives, p) > slices.Index(directives, "svcreg") {
			t.Errorf("%s stands behind svcreg", p)
		}
	}
	for _, p := range []string{"file", "forward"} {
		if slices.Index(directives, p) < slices.Index(directives, "svcreg") {
			t.Errorf("%s stands before svcreg", p)
		}
	}
	for _, p := range []string{"kubernetes", "etcd", "route53", "azure", "clouddns", "nomad"} {
		if slices.Contains(registered, "dns."+p) || slices.Contains(registered, p) {
			t.Errorf("%s is in the program", p)
		}
	}
}
