//go:build linux

package shape

import (
	"context"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/svcreg/svcreg/bench/dataplane/network"
	"github.com/svcreg/svcreg/bench/dataplane/services"
	"github.com/svcreg/svcreg/bench/dataplane/traffic"
)

// Each shape leads to the endpoints that a service has, and after a change to
// those that it has then. What shape is slow doesn't matter if it is wrong.
func TestShapesWork(t *testing.T) {
	if err := network.Check(); err != nil {
		t.Skip(err)
	}
	for _, s := range All {
		if !s.IsFloor() {
			t.Run(string(s.Name), func(t *testing.T) { testShape(t, s) })
		}
	}
}

func testShape(t *testing.T, s Shape) {
	n, err := network.Open(t.Context())
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err != nil {
		t.Fatal(err)
	}
	f := services.New(50, 5)
	var plane Plane
	on(t, n.Node, func() (err error) {
		if plane, err = s.Open(); err == nil {
			_, err = plane.Load(t.Context(), f)
		}
		return err
	})
	acceptor, err := traffic.NewAcceptor(n)
	if err != nil {
		t.Fatal(err)
	}
	defer acceptor.Close()
	for _, i := range []int{1, 25, f.Talker().Index} {
		if _, err := traffic.Connect(t.Context(), n, f.Service(i).Portal(), time.Millisecond); err != nil {
			t.Error(err)
		}
	}
	receiver, err := traffic.NewReceiver(n)
	if err != nil {
		t.Fatal(err)
	}
	defer receiver.Close()
	sender, err := traffic.NewSender(n)
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	now := f.Probe()
	reaches(t, receiver, sender, now)
	for change := range 3 {
		old := now
		now = f.Probe().Swapped(change + 1)
		on(t, n.Node, func() error {
			_, err := plane.Change(t.Context(), old, now)
			return err
		})
		reaches(t, receiver, sender, now)
	}
}

// kube-proxy's partial sync leaves no chain behind, and none out.
func TestLinearChains(t *testing.T) {
	if err := network.Check(); err != nil {
		t.Skip(err)
	}
	n, err := network.Open(t.Context())
	t.Cleanup(func() { n.Close() })
	if err != nil {
		t.Fatal(err)
	}
	f := services.New(whole+part/2, 3) // in parts
	on(t, n.Node, func() error {
		l := linear{backend: "nft"}
		if _, err := l.Load(t.Context(), f); err != nil {
			return err
		}
		_, err := l.Change(t.Context(), f.Talker(), f.Talker().Swapped(1))
		return err
	})
	out, err := exec.Command("ip", n.Node.Command("iptables-nft-save", "-t", "nat")[1:]...).Output()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int{
		"\n:KUBE-SVC-": f.Len(), "\n:KUBE-SEP-": 3*f.Len() - 2, "\n-A KUBE-SERVICES ": f.Len() + 1,
		"-j KUBE-SEP-": 3*f.Len() - 2, "-j DNAT": 3*f.Len() - 2,
	} {
		if got := strings.Count(string(out), text); got != want {
			t.Errorf("%d times %q, want %d", got, text, want)
		}
	}
}

func on(t *testing.T, h network.Host, f func() error) {
	t.Helper()
	if err := h.Do(f); err != nil {
		t.Fatal(err)
	}
}

// reaches wants packets to a service to arrive at its one endpoint.
func reaches(t *testing.T, r *traffic.Receiver, from *traffic.Sender, s services.Service) {
	t.Helper()
	arrived := r.Expect(s.Service.Endpoints[0])
	if err := from.Send(s.Portal()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-arrived:
	case <-time.After(5 * time.Second):
		t.Errorf("nothing arrived at %v", s.Service.Endpoints)
	}
}

// The tracking floor tracks, and the other doesn't.
func TestFloors(t *testing.T) {
	if err := network.Check(); err != nil {
		t.Skip(err)
	}
	for _, s := range All[:2] {
		n, err := network.Open(t.Context())
		if err != nil {
			t.Error(err)
		}
		on(t, n.Node, func() error {
			plane, err := s.Open()
			if err == nil {
				_, err = plane.Load(context.Background(), nil)
			}
			return err
		})
		sender, err := traffic.NewSender(n)
		if err != nil {
			t.Fatal(err)
		}
		if err := sender.Send(netip.MustParseAddrPort("10.192.0.1:80")); err != nil {
			t.Error(err)
		}
		sender.Close()
		out, err := exec.Command("ip", n.Node.Command("cat", "/proc/net/nf_conntrack")[1:]...).CombinedOutput()
		if tracked := len(out) > 0; err != nil || tracked != (s.Name == Tracking) {
			t.Errorf("%s: tracked %v, %v: %s", s.Name, tracked, err, out)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}
}
