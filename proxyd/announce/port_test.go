package announce

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/test/lab"
)

// pair is a node and a client on a segment, whose kernels know nothing of what
// is announced.
type pair struct {
	t            *testing.T
	node, client *lab.Host
	link         link
	speaker      *speaker
}

func newPair(t *testing.T) *pair {
	t.Helper()
	l := lab.New(t)
	p := &pair{t: t, node: l.Host("node"), client: l.Host("client")}
	l.Switch("lan", p.node, p.client)
	p.node.Addr("lan", "192.0.2.11/24", "2001:db8::11/64")
	p.client.Addr("lan", "192.0.2.1/24", "2001:db8::1/64")
	var links []link
	var err error
	p.node.Do(func() { links, err = listLinks(nil) })
	if err != nil || len(links) != 1 {
		t.Fatalf("links %+v, %v", links, err)
	}
	p.link = links[0]
	segment := newFakeSegment()
	p.speaker, _ = newTestSpeaker(segment)
	p.speaker.open = func(l link, protocol *protocol, received func([]byte)) (opened port, err error) {
		p.node.Do(func() { opened, err = openPort(l, protocol, received) })
		return opened, err
	}
	t.Cleanup(p.speaker.close)
	return p
}

// neighbour returns what the client's kernel knows of an address: the Ethernet
// address and the state.
func (p *pair) neighbour(addr netip.Addr) (text string) {
	out, _ := p.client.Command(p.t.Context(), "ip", "neigh", "show", addr.String()).CombinedOutput()
	return string(out)
}

// ask has the client's kernel ask for an address, or once more.
func (p *pair) ask(addr netip.Addr) {
	p.t.Helper()
	conn, err := p.client.Dial(p.t.Context(), "udp", netip.AddrPortFrom(addr, 9).String())
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close()
	_, _ = conn.Write([]byte("hello"))
}

func (p *pair) eventually(what string, done func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("never: %s", what)
		}
	}
}

// A kernel that asks learns where an announced address is, has it confirmed,
// and forgets where it was before.
func TestPort(t *testing.T) {
	for _, addr := range []netip.Addr{vip4, netip.MustParseAddr("2001:db8::100")} {
		p := newPair(t)
		here := "lladdr " + p.link.mac.String() + " "
		p.client.IP("neigh", "replace", addr.String(), "dev", "lan", "lladdr", "02:00:00:00:00:99", "nud", "reachable")
		if err := p.speaker.announce(addr, []link{p.link}, openFence(t)); err != nil {
			t.Fatal(err)
		}
		p.eventually("what was known is overridden", func() bool { return strings.Contains(p.neighbour(addr), here) })

		p.client.IP("neigh", "del", addr.String(), "dev", "lan")
		p.eventually("asked, and answered", func() bool {
			p.ask(addr)
			return strings.Contains(p.neighbour(addr), here)
		})
		// In this state the kernel asks the one host that it knows.
		p.client.IP("neigh", "replace", addr.String(), "dev", "lan", "lladdr", p.link.mac.String(), "nud", "probe")
		p.eventually("confirmed", func() bool { return strings.Contains(p.neighbour(addr), "REACHABLE") })

		p.speaker.drop(addr)
		p.client.IP("neigh", "del", addr.String(), "dev", "lan")
		p.ask(addr)
		p.eventually("nobody answers any more", func() bool { return strings.Contains(p.neighbour(addr), "FAILED") })
	}
}

// A probe finds a kernel that has the address, and none that hasn't.
func TestPortProbes(t *testing.T) {
	p := newPair(t)
	var theirs string
	p.client.Do(func() {
		links, _ := listLinks(nil)
		theirs = links[0].mac.String()
	})
	for _, test := range []struct {
		addr string
		free bool
	}{
		{"192.0.2.1", false}, {"192.0.2.2", true}, {"2001:db8::1", false}, {"2001:db8::2", true},
	} {
		verdicts := make(chan verdict, 1)
		p.speaker.probe(netip.MustParseAddr(test.addr), []link{p.link}, openFence(t), func(v verdict) { verdicts <- v })
		v := <-verdicts
		if v.err != nil || v.free != test.free || !test.free && v.by.String() != theirs {
			t.Errorf("%s: %+v, want free: %v, or at %s", test.addr, v, test.free, theirs)
		}
	}
}

// The links are those that have a subnet, are up and have a carrier.
func TestListLinks(t *testing.T) {
	l := lab.New(t)
	h, other := l.Host("node"), l.Host("other")
	l.Switch("lan", h, other)
	l.Switch("back", h, other)
	l.Switch("bare", h, other)
	h.Addr("lan", "192.0.2.11/24", "192.0.2.12/24", "2001:db8::11/64")
	h.Addr("back", "10.0.0.1/8", "10.9.0.1/32")
	h.Addr("lo", "198.51.100.1/24")
	names := func(patterns ...string) map[string][]string {
		found := map[string][]string{}
		h.Do(func() {
			links, err := listLinks(patterns)
			if err != nil {
				t.Error(err)
			}
			for _, l := range links {
				found[l.name] = []string{}
				for _, s := range subnetsOf([]link{l}) {
					found[l.name] = append(found[l.name], s.String())
				}
			}
		})
		return found
	}
	check := func(what string, want map[string][]string, patterns ...string) {
		t.Helper()
		if d := cmp.Diff(want, names(patterns...)); d != "" {
			t.Errorf("%s: %s", what, d)
		}
	}
	both := map[string][]string{"lan": {"192.0.2.0/24", "2001:db8::/64"}, "back": {"10.0.0.0/8"}}
	check("all", both)
	check("named", map[string][]string{"bare": {"0.0.0.0/0", "::/0"}, "back": {"0.0.0.0/0", "::/0"}}, "ba*")
	check("named, but not there", map[string][]string{}, "eth0")
	l.Unplug("back", h)
	(&pair{t: t}).eventually("no carrier", func() bool { return len(names()) == 1 })
	l.Plug("back", h)
	(&pair{t: t}).eventually("a carrier", func() bool { return len(names()) == 2 })
	h.IP("link", "set", "lan", "down")
	check("one is off", map[string][]string{"back": {"10.0.0.0/8"}})
}

// Whoever watches is told of addresses and of carriers.
func TestWatchLinks(t *testing.T) {
	l := lab.New(t)
	h, other := l.Host("node"), l.Host("other")
	l.Switch("lan", h, other)
	changed, done := make(chan struct{}, 1), make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watching := make(chan struct{})
	go h.Do(func() {
		close(watching)
		done <- watchLinks(ctx, func() { nudge(changed) })
	})
	<-watching
	told := func() bool {
		select {
		case <-changed:
			return true
		case <-time.After(200 * time.Millisecond):
			return false
		}
	}
	n := 0
	for what, change := range map[string]func(){
		"an address": func() { n++; h.Addr("lan", fmt.Sprintf("192.0.2.%d/24", n)) },
		"a carrier":  func() { l.Unplug("lan", h); l.Plug("lan", h) },
	} {
		for told() { // of what the test's own making brought
		}
		// The first changes may come before anybody watches.
		(&pair{t: t}).eventually("told of "+what, func() bool { change(); return told() })
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Announcing takes CAP_NET_RAW, and no other privilege.
func TestPrivileges(t *testing.T) {
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip(err)
	}
	p := newPair(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for caps, want := range map[string]bool{"+net_raw": true, "+net_admin": false} {
		cmd := p.node.Command(t.Context(), setpriv, "--reuid=65534", "--clear-groups", "--no-new-privs",
			"--inh-caps=-all,"+caps, "--ambient-caps=-all,"+caps, "--bounding-set=-all,"+caps, self)
		cmd.Env = append(cmd.Environ(), "SVCREG_ANNOUNCE_TRY=1")
		out, err := cmd.CombinedOutput()
		if (err == nil && strings.TrimSpace(string(out)) == "[lan]") != want {
			t.Errorf("%s: %v, %s", caps, err, out)
		}
	}
}
