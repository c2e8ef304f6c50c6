package announce

import (
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// newTestSpeaker returns a speaker on a segment, and what it logs.
func newTestSpeaker(s *fakeSegment) (*speaker, *strings.Builder) {
	log := &strings.Builder{}
	return newSpeaker(s.open, newMetrics(), slog.New(slog.NewTextHandler(log, nil))), log
}

// question asks for an address as a host of the segment does.
func question(addr netip.Addr) []byte {
	if addr.Is4() {
		return arpFrame(everybody, arpPacket{arpRequest, them, asker, mac{}, addr})
	}
	return solicit(netip.MustParseAddr("fe80::2"), addr)
}

// A win is told at once and for five seconds, and questions are answered while
// the address is announced, not before and not after.
func TestSpeakerAnnounces(t *testing.T) {
	for _, addr := range []netip.Addr{vip4, vip6} {
		synctest.Test(t, func(t *testing.T) {
			segment := newFakeSegment()
			s, _ := newTestSpeaker(segment)
			start := time.Now()
			if err := s.announce(addr, []link{lan(1)}, openFence(t)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			each := len(protocolOf(addr).announce(us, addr))
			var got, want []time.Duration
			for _, f := range segment.take() {
				if f.heard.claims != addr || f.from != us {
					t.Errorf("%v said %+v", f.from, f.heard)
				}
				got = append(got, f.at.Sub(start))
			}
			for i := range 6 * each {
				want = append(want, time.Duration(i/each)*time.Second)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("announcements: %s", d)
			}

			segment.say(question(addr))
			segment.say(question(addr.Next()))
			if sent := segment.take(); len(sent) != 1 || sent[0].heard.claims != addr {
				t.Errorf("answered %+v", sent)
			}
			s.drop(addr)
			segment.say(question(addr))
			if sent := segment.take(); len(sent) != 0 || segment.openPorts() != 0 {
				t.Errorf("dropped, but sent %+v, and has %d ports", sent, segment.openPorts())
			}
			s.close()
		})
	}
}

// What is dropped while it is still told to everybody is silent at once, though
// another address has the same port.
func TestSpeakerDropsAnnouncement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		segment := newFakeSegment()
		s, _ := newTestSpeaker(segment)
		for _, addr := range []netip.Addr{vip4, vip4.Next()} {
			if err := s.announce(addr, []link{lan(1)}, openFence(t)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(2*callPause + callPause/2)
		s.drop(vip4)
		segment.take()
		time.Sleep(callPause)
		for _, f := range segment.take() {
			if f.heard.claims != vip4.Next() {
				t.Errorf("dropped, but sent %+v", f.heard)
			}
		}
		start := time.Now()
		if s.close(); time.Since(start) > 0 {
			t.Errorf("it took %v to end what is told", time.Since(start))
		}
		for name, got := range map[string][2]float64{
			"announced": {registrytest.Metric(t, s.metrics.announced), 0}, "wins": {registrytest.Metric(t, s.metrics.wins), 2}, "losses": {registrytest.Metric(t, s.metrics.losses), 2},
			"announcements": {registrytest.Metric(t, s.metrics.frames.WithLabelValues("arp", "announcement")), 3*2 + 4*2},
		} {
			if got[0] != got[1] {
				t.Errorf("%s: %v counted, want %v", name, got[0], got[1])
			}
		}
	})
}

// A link that has another Ethernet address is another link: what is begun there
// is told with the new one, what was begun before goes on by itself.
func TestSpeakerLinkChanges(t *testing.T) {
	segment := newFakeSegment()
	s, _ := newTestSpeaker(segment)
	first, second, third := vip4, vip4.Next(), vip4.Next().Next()
	changed := lan(1)
	changed.mac = lan(9).mac
	begin := func(addr netip.Addr, l link) {
		t.Helper()
		if err := s.announce(addr, []link{l}, openFence(t)); err != nil {
			t.Fatal(err)
		}
	}
	begin(first, lan(1))
	segment.take()
	begin(second, changed)
	for _, f := range segment.take() {
		if f.from != changed.mac {
			t.Errorf("told with %v, want %v", f.from, changed.mac)
		}
	}
	s.drop(first)
	begin(third, changed)
	if n := segment.openPorts(); n != 1 {
		t.Errorf("%d ports are open, want that of the link as it is", n)
	}
	s.close()
}

// Nothing is sent once the fence has closed, nor before it opens again.
func TestSpeakerIsFenced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		segment := newFakeSegment()
		s, _ := newTestSpeaker(segment)
		defer s.close()
		f, start := &fence{}, time.Now()
		f.renew(start, 2*time.Second)
		if err := s.announce(vip4, []link{lan(1)}, f); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			time.Sleep(50 * time.Millisecond)
			segment.say(question(vip4))
		}
		for _, frame := range segment.take() {
			if d := frame.at.Sub(start); d >= 1750*time.Millisecond {
				t.Errorf("spoke after %v", d)
			}
		}
		f.renew(time.Now(), 2*time.Second)
		segment.say(question(vip4))
		if sent := segment.take(); len(sent) != 1 {
			t.Errorf("the fence is open again, and %d were sent", len(sent))
		}
		f.shut()
		segment.say(question(vip4))
		if sent := segment.take(); len(sent) != 0 {
			t.Errorf("the fence was shut, and %d were sent", len(sent))
		}
	})
}

// Another host that says it has the address is told that it hasn't, once in a
// while, and the operator likewise.
func TestSpeakerDefends(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		segment := newFakeSegment()
		s, log := newTestSpeaker(segment)
		defer s.close()
		if err := s.announce(vip4, []link{lan(1)}, openFence(t)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		segment.take()
		for range 3 {
			segment.say(arp.announce(them, vip4)[0])
		}
		if sent := segment.take(); len(sent) != 2 {
			t.Errorf("defended with %d frames, want one of each kind", len(sent))
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), them.String()) {
			t.Errorf("%d errors logged: %s", n, log)
		}
		time.Sleep(10 * time.Second) // RFC 5227, 2.4
		segment.say(arp.announce(them, vip4)[1])
		if sent := segment.take(); len(sent) != 2 {
			t.Errorf("later defended with %d frames", len(sent))
		}
		if n := registrytest.Metric(t, s.metrics.conflicts); n != 4 {
			t.Errorf("%v conflicts counted, want 4", n)
		}
		// What the node itself says on another link is no conflict.
		segment.say(arp.announce(us, vip4)[0])
		if sent := segment.take(); len(sent) != 0 {
			t.Errorf("took itself for another host: %+v", sent)
		}
	})
}

func TestSpeakerProbes(t *testing.T) {
	for _, test := range []struct {
		name string
		addr netip.Addr
		says []byte // what another host says meanwhile
		want verdict
		sent int // probes
	}{
		{"nobody has it", vip4, nil, verdict{addr: vip4, free: true}, 3},
		{"nobody has it, by IPv6", vip6, nil, verdict{addr: vip6, free: true}, 3},
		{"a host answers", vip4, arp.answer(them, vip4, heard{from: us}), verdict{addr: vip4, by: them}, 2},
		{"a host announces it", vip4, arp.announce(them, vip4)[0], verdict{addr: vip4, by: them}, 2},
		{"a host answers by IPv6", vip6, ndp.answer(them, vip6, heard{from: us, source: netip.IPv6Unspecified()}), verdict{addr: vip6, by: them}, 2},
		{"another asks at the same time", vip4, arp.probe(them, vip4), verdict{addr: vip4, by: them, asks: true}, 2},
		{"another asks at the same time, by IPv6", vip6, ndp.probe(them, vip6), verdict{addr: vip6, by: them, asks: true}, 2},
		{"somebody wants to talk to it", vip4, question(vip4), verdict{addr: vip4, free: true}, 3},
		{"a host has another address", vip4, arp.announce(them, vip4.Next())[0], verdict{addr: vip4, free: true}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				segment := newFakeSegment()
				s, _ := newTestSpeaker(segment)
				defer s.close()
				verdicts := make(chan verdict, 1)
				s.probe(test.addr, []link{lan(1)}, openFence(t), func(v verdict) { verdicts <- v })
				time.Sleep(probePause + probePause/2)
				if test.says != nil {
					segment.say(test.says)
				}
				got := <-verdicts
				if d := cmp.Diff(test.want, got, cmp.AllowUnexported(verdict{}), cmp.Comparer(netipEqual)); d != "" {
					t.Error(d)
				}
				sent := segment.take()
				for _, f := range sent {
					if f.heard.asks != test.addr || f.heard.claims.IsValid() {
						t.Errorf("said %+v", f.heard)
					}
				}
				if len(sent) != test.sent || segment.openPorts() != 0 {
					t.Errorf("%d probes, want %d; %d ports are open", len(sent), test.sent, segment.openPorts())
				}
			})
		})
	}
}

func netipEqual(a, b netip.Addr) bool { return a == b }

// A probe that is dropped tells nothing.
func TestSpeakerDropsProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		segment := newFakeSegment()
		s, _ := newTestSpeaker(segment)
		s.probe(vip4, []link{lan(1)}, openFence(t), func(v verdict) { t.Errorf("told %+v", v) })
		time.Sleep(probePause / 2)
		s.drop(vip4)
		time.Sleep(time.Minute)
		s.close()
		if sent := segment.take(); len(sent) != 1 {
			t.Errorf("sent %d probes", len(sent))
		}
	})
}

// Addresses share a link's port, and groups of IPv6 addresses that end alike.
func TestSpeakerSharesPorts(t *testing.T) {
	segment := newFakeSegment()
	s, _ := newTestSpeaker(segment)
	alike := netip.MustParseAddr("2001:db8::ffff:1234:5678")
	for _, addr := range []netip.Addr{vip4, vip4.Next(), vip6, alike} {
		if err := s.announce(addr, []link{lan(1)}, openFence(t)); err != nil {
			t.Fatal(err)
		}
	}
	if n := segment.openPorts(); n != 2 {
		t.Errorf("%d ports, want one for each family", n)
	}
	joined := func() (n int) {
		for p := range segment.ports {
			n += p.groups[solicitedNode(vip6)]
		}
		return n
	}
	if n := joined(); n != 1 {
		t.Errorf("joined the group %d times", n)
	}
	s.drop(vip6)
	if n := joined(); n != 1 {
		t.Errorf("one of two is dropped, and the group is joined %d times", n)
	}
	s.drop(alike)
	s.drop(vip4)
	if n := segment.openPorts(); n != 1 {
		t.Errorf("%d ports, want that of the address that is left", n)
	}
	s.close()
	if n := segment.openPorts(); n != 0 {
		t.Errorf("%d ports are left", n)
	}
}

// A link that can't be opened is an error, and leaves nothing behind.
func TestSpeakerCantOpen(t *testing.T) {
	segment := newFakeSegment()
	s, _ := newTestSpeaker(segment)
	defer s.close()
	segment.fails = errors.New("no such device")
	if err := s.announce(vip4, []link{lan(1)}, openFence(t)); !errors.Is(err, segment.fails) {
		t.Errorf("error %v", err)
	}
	verdicts := make(chan verdict, 1)
	s.probe(vip4, []link{lan(1)}, openFence(t), func(v verdict) { verdicts <- v })
	if v := <-verdicts; v.free || !errors.Is(v.err, segment.fails) {
		t.Errorf("verdict %+v", v)
	}
	segment.fails = nil
	if err := s.announce(vip4, []link{lan(1)}, openFence(t)); err != nil {
		t.Errorf("then: %v", err)
	}
}
