package announce

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// tells waits until just that was told since the last time.
func (f *fleet) tells(e *registrytest.Events, lines ...string) {
	f.t.Helper()
	f.eventually("told: "+strings.Join(lines, "\n"), func() bool {
		return slices.Equal(e.Lines(), lines)
	})
	e.Forget(len(lines))
}

// A service's events say which node announces its addresses, when that ends,
// and why.
func TestEvents(t *testing.T) {
	f, e := newFleet(t), &registrytest.Events{}
	f.adjust = func(a *agent) { a.config.Events = e }
	n := f.node("node1")
	f.serve(address, anywhere, n)
	f.allocate(address, "lan", "web")
	f.tells(e, "Normal ns/web Announcing node node1 announces "+address+" on lan")
	n.relink() // its cable is pulled
	f.tells(e, "Normal ns/web NotAnnouncing node node1 no longer announces "+address+": it isn't chosen for it any more")
	n.relink(lan(0x10))
	f.tells(e, "Normal ns/web Announcing node node1 announces "+address+" on lan")
	f.etcd.Stop()
	f.tells(e, "Warning ns/web NotAnnouncing node node1 no longer announces "+address+": it may have lost its lease")
	f.etcd.Restart()
	f.tells(e, "Normal ns/web Announcing node node1 announces "+address+" on lan")
	n.stop()
	f.tells(e, "Normal ns/web NotAnnouncing node node1 no longer announces "+address+": it stops")
}

// Another host that has an address is told of, before it is announced and while
// it is.
func TestEventsOfDuplicates(t *testing.T) {
	f, e := newFleet(t), &registrytest.Events{}
	f.adjust = func(a *agent) { a.config.Events, a.leave = e, 2*time.Second }
	n := f.node("node1")
	other, err := f.segment.open(lan(99), &arp, func([]byte) {})
	if err != nil {
		t.Fatal(err)
	}
	f.segment.mu.Lock()
	other.(*fakePort).received = func(frame []byte) {
		if h, ok := arp.read(frame); ok && h.asks == vip4 && h.from == n.mac {
			_ = other.send(arp.answer(lan(99).mac, vip4, h))
		}
	}
	f.segment.mu.Unlock()
	f.serve(address, anywhere, n)
	f.allocate(address, "lan", "web")
	host := "host " + lan(99).mac.String()
	f.tells(e, "Warning ns/web DuplicateAddress "+host+" has "+address+", so it isn't announced")
	f.segment.mu.Lock()
	other.(*fakePort).received = func([]byte) {}
	f.segment.mu.Unlock()
	f.tells(e, "Normal ns/web Announcing node node1 announces "+address+" on lan")
	if err := other.send(arp.announce(lan(99).mac, vip4)[0]); err != nil {
		t.Fatal(err)
	}
	f.tells(e, "Warning ns/web DuplicateAddress "+host+" says it has "+address+", which node node1 announces")
}
