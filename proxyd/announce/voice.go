package announce

import (
	"context"
	"errors"
	"net/netip"
	"time"
)

// voice is an address that is announced, or asked for.
type voice struct {
	addr     netip.Addr
	fence    *fence
	protocol *protocol
	ports    []*sharedPort
	stop     context.CancelFunc
	defended time.Time
	// found, of one that asks, gets who else has the address.
	found chan verdict
}

type portKey struct {
	index    int
	protocol *protocol
}

// sharedPort is a port with those who use it.
type sharedPort struct {
	port
	portKey
	link   link
	users  int
	groups map[netip.Addr]int
}

var errSpoken = errors.New("the address is in use already")

// add opens what an address needs.
func (s *speaker) add(addr netip.Addr, links []link, f *fence, found chan verdict) (*voice, context.Context, error) {
	s.mu.Lock()
	if s.voices[addr] != nil {
		s.mu.Unlock()
		return nil, nil, errSpoken
	}
	v := &voice{addr: addr, fence: f, protocol: protocolOf(addr), found: found}
	for _, l := range links {
		if err := s.use(v, l); err != nil {
			unused := s.leave(v)
			s.mu.Unlock()
			closeAll(unused)
			return nil, nil, err
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	v.stop, s.voices[addr] = stop, v
	s.mu.Unlock()
	return v, ctx, nil
}

// remove takes a voice out, and reports false if somebody else did.
func (s *speaker) remove(v *voice) bool {
	s.mu.Lock()
	if s.voices[v.addr] != v {
		s.mu.Unlock()
		return false
	}
	delete(s.voices, v.addr)
	v.stop()
	unused := s.leave(v)
	s.mu.Unlock()
	closeAll(unused) // not before: their readers wait for the lock
	return true
}

// use has a voice use the port on a link.
func (s *speaker) use(v *voice, l link) error {
	key := portKey{l.index, v.protocol}
	p := s.ports[key]
	if p == nil || !p.link.same(l) {
		p = &sharedPort{portKey: key, link: l, groups: map[netip.Addr]int{}}
		var err error
		if p.port, err = s.open(l, v.protocol, func(frame []byte) { s.hear(p, frame) }); err != nil {
			return err
		}
		s.ports[key] = p
	}
	p.users++
	v.ports = append(v.ports, p)
	group := solicitedNode(v.addr)
	if p.groups[group]++; p.groups[group] == 1 && v.addr.Is6() {
		return p.join(group)
	}
	return nil
}

// leave has a voice leave its ports, and returns those that nobody uses.
func (s *speaker) leave(v *voice) (unused []*sharedPort) {
	group := solicitedNode(v.addr)
	for _, p := range v.ports {
		if p.groups[group]--; p.groups[group] == 0 {
			delete(p.groups, group)
			if v.addr.Is6() {
				_ = p.port.leave(group) // of an interface that is gone it can't
			}
		}
		if p.users--; p.users > 0 {
			continue
		}
		if s.ports[p.portKey] == p {
			delete(s.ports, p.portKey)
		}
		unused = append(unused, p)
	}
	return unused
}

func closeAll(ports []*sharedPort) {
	for _, p := range ports {
		p.close()
	}
}
