package announce_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// However a node ceases to be able to announce, another takes over, and no two
// are ever heard at the same time.
func TestFailOver(t *testing.T) {
	for _, test := range []struct {
		name string
		fail func(s *segment, n *nodeProcess)
		mend func(s *segment, n *nodeProcess)
	}{
		{
			"its process is killed",
			func(_ *segment, n *nodeProcess) { n.kill() },
			func(_ *segment, n *nodeProcess) { n.start() },
		},
		{
			"it is told to end",
			func(_ *segment, n *nodeProcess) {
				_ = n.cmd.Process.Signal(syscall.SIGTERM)
				_ = n.cmd.Wait()
			},
			func(_ *segment, n *nodeProcess) { n.start() },
		},
		{
			"its process hangs for a while",
			func(_ *segment, n *nodeProcess) { _ = n.cmd.Process.Signal(syscall.SIGSTOP) },
			func(_ *segment, n *nodeProcess) { _ = n.cmd.Process.Signal(syscall.SIGCONT) },
		},
		{
			"it doesn't reach etcd",
			func(s *segment, n *nodeProcess) { s.lab.Unplug("back", n.Host) },
			func(s *segment, n *nodeProcess) { s.lab.Plug("back", n.Host) },
		},
		{
			"its cable is pulled",
			func(s *segment, n *nodeProcess) { s.lab.Unplug("lan", n.Host) },
			func(s *segment, n *nodeProcess) { s.lab.Plug("lan", n.Host) },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newSegment(t)
			s.all()
			for _, address := range []string{vip + ":80", "[" + vip6 + "]:80"} {
				s.eventually("connected to "+address, func() bool { return s.connect(address) == nil })
			}
			s.settle()
			ear, k, k6 := s.listen(vip), s.knock(vip+":80"), s.knock("["+vip6+"]:80")
			first := s.holder(vip)
			s.eventually("the first is heard", func() bool { return ear.hears(first) })

			test.fail(s, first)
			second := s.holder(vip, first.Name())
			s.holder(vip6, first.Name())
			at := time.Now()
			s.eventually("the second is heard", func() bool { return ear.hears(second) })
			s.eventually("connections by IPv4", func() bool { return k.since(at) })
			s.eventually("connections by IPv6", func() bool { return k6.since(at) })

			test.mend(s, first)
			s.all()
			s.eventually("the first is back", func() bool { return s.holder(vip) == first && s.holder(vip6) == first })
			s.eventually("the first is heard again", func() bool { return ear.hears(first) })
			at = time.Now()
			s.eventually("connections", func() bool { return k.since(at) && k6.since(at) })
			t.Logf("outage %v by IPv4, %v by IPv6", k.outage(), k6.outage())
			ear.close()
			s.turns(ear, first, second, first)
		})
	}
}

// settle waits until the node that all nodes choose announces the addresses: it
// may have been another that came first.
func (s *segment) settle() {
	s.tb.Helper()
	s.eventually("all have settled", func() bool {
		got, err := s.client().Get(s.tb.Context(), "/registry/svcreg/announcers/", clientv3.WithPrefix())
		return err == nil && len(got.Kvs) == len(s.nodes) && !slices.ContainsFunc(got.Kvs, func(kv *mvccpb.KeyValue) bool {
			return strings.Contains(string(kv.Value), "joining")
		})
	})
	for _, addr := range []string{vip, vip6} {
		s.eventually(chosenNode+" has "+addr, func() bool { return s.holder(addr) == s.nodes[chosenNode] })
	}
}

// turns fails the test unless those spoke that are given, each in its turn.
func (s *segment) turns(e *ear, want ...*nodeProcess) {
	s.tb.Helper()
	turns := e.heard()
	for i, t := range turns {
		s.tb.Logf("%s spoke %d times until %v", t.mac, t.frames, t.last.Sub(t.first).Round(time.Millisecond))
		if i > 0 && t.first.Before(turns[i-1].last) || i >= len(want) || t.mac != want[i].mac {
			s.tb.Errorf("turn %d was %s's", i, t.mac)
		}
	}
	if len(turns) != len(want) {
		s.tb.Errorf("%d turns, want %d", len(turns), len(want))
	}
}

// An operator makes a pool, and nothing else: a service of 2015 is reached from
// outside, at the address that it gets in publicIPs.
func TestPublicIPs(t *testing.T) {
	s := newSegment(t)
	const old = "/registry/services/specs/default/old"
	s.put("/registry/svcreg/pools/lan", strings.Replace(pool, "192.0.2.100-192.0.2.100", "192.0.2.100-192.0.2.101", 1))
	s.put("/registry/services/endpoints/default/old", `{"kind": "Endpoints", "apiVersion": "v1beta1", "id": "old", "endpoints": ["10.9.0.2:80"]}`)
	s.put(old, `{"kind": "Service", "apiVersion": "v1beta1", "id": "old", "port": 80, "createExternalLoadBalancer": true}`)
	s.eventually("connected", func() bool { return s.connect("192.0.2.101:80") == nil })
	got, err := s.client().Get(t.Context(), old)
	if err != nil {
		t.Fatal(err)
	}
	if text := string(got.Kvs[0].Value); !strings.Contains(text, `"publicIPs":["192.0.2.101"]`) {
		t.Error(text)
	}
}
