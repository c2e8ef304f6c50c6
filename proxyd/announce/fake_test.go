package announce

import (
	"errors"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"
)

// fakeSegment is a segment inside the test: what one port sends, all others of the
// same protocol receive.
type fakeSegment struct {
	mu    sync.Mutex
	ports map[*fakePort]bool
	sent  []sentFrame
	fails error // what opening a port says
	// spy, if not nil, sees each frame while it is sent.
	spy func(sentFrame)
}

// sentFrame is a frame that passed over the segment.
type sentFrame struct {
	at    time.Time
	from  mac
	heard heard
}

type fakePort struct {
	segment  *fakeSegment
	link     link
	protocol *protocol
	received func([]byte)
	groups   map[netip.Addr]int
}

var _ port = (*fakePort)(nil)

func newFakeSegment() *fakeSegment { return &fakeSegment{ports: map[*fakePort]bool{}} }

func (s *fakeSegment) open(l link, p *protocol, received func([]byte)) (port, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails != nil {
		return nil, s.fails
	}
	port := &fakePort{s, l, p, received, map[netip.Addr]int{}}
	s.ports[port] = true
	return port, nil
}

// send notes the frame, and delivers it from a goroutine of its own, as a
// network would.
func (p *fakePort) send(frame []byte) error {
	p.segment.mu.Lock()
	defer p.segment.mu.Unlock()
	if !p.segment.ports[p] {
		return errors.New("closed")
	}
	h, ok := p.protocol.read(frame)
	if !ok {
		return errors.New("not a frame of the protocol")
	}
	sent := sentFrame{time.Now(), h.from, h}
	p.segment.sent = append(p.segment.sent, sent)
	if p.segment.spy != nil {
		p.segment.spy(sent)
	}
	for other := range p.segment.ports {
		if other != p && other.protocol == p.protocol {
			go other.received(slices.Clone(frame))
		}
	}
	return nil
}

func (p *fakePort) join(group netip.Addr) error {
	p.groups[group]++
	return nil
}

func (p *fakePort) leave(group netip.Addr) error {
	p.groups[group]--
	return nil
}

func (p *fakePort) close() {
	p.segment.mu.Lock()
	defer p.segment.mu.Unlock()
	delete(p.segment.ports, p)
}

// say has some host of the segment say something.
func (s *fakeSegment) say(frame []byte) {
	s.mu.Lock()
	var to []*fakePort
	for p := range s.ports {
		to = append(to, p)
	}
	s.mu.Unlock()
	for _, p := range to {
		p.received(slices.Clone(frame))
	}
}

// take returns what was sent since the last take.
func (s *fakeSegment) take() []sentFrame {
	s.mu.Lock()
	defer s.mu.Unlock()
	sent := s.sent
	s.sent = nil
	return sent
}

// open ports are those that nobody has closed.
func (s *fakeSegment) openPorts() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.ports)
}

func lan(n byte) link {
	return link{index: 1, name: "lan", mac: mac{2, 0, 0, 0, 0, n}, subnets: prefixes("192.0.2.0/24", "2001:db8::/64")}
}

// openFence is open for an hour.
func openFence(*testing.T) *fence {
	f := &fence{}
	f.renew(time.Now(), time.Hour)
	return f
}
