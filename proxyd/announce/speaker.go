package announce

import (
	"context"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/svcreg/svcreg/registry/pause"
)

const (
	// An address that was won is announced at once, and then every callPause,
	// as often as that: for five seconds.
	calls, callPause = 6, time.Second
	// Whether another host has an address is asked so often, and waited for so
	// long each time. RFC 5227 waits seconds, for networks of all kinds; on
	// those that servers stand in answers take milliseconds.
	probes, probePause = 3, 300 * time.Millisecond
	// defence is how long apart an address is defended (RFC 5227, 2.4).
	defence = 10 * time.Second
)

// speaker answers for addresses, and asks whether others do. For an address it
// sends nothing while the fence is closed under which it was begun.
type speaker struct {
	open    opener
	metrics *metrics
	logger  *slog.Logger
	tasks   sync.WaitGroup
	// contested, if not nil, hears of another host that has an address which
	// is announced.
	contested func(addr netip.Addr, by mac)

	mu     sync.Mutex // held while a frame is sent: what was dropped is silent
	voices map[netip.Addr]*voice
	ports  map[portKey]*sharedPort
}

// verdict says what came of asking for an address.
type verdict struct {
	addr netip.Addr
	free bool
	by   mac  // who has it, if it isn't free
	asks bool // who doesn't have it, but asks at the same time
	err  error
}

func newSpeaker(open opener, m *metrics, logger *slog.Logger) *speaker {
	return &speaker{
		open: open, metrics: m, logger: logger,
		voices: map[netip.Addr]*voice{}, ports: map[portKey]*sharedPort{},
	}
}

// announce begins to answer for an address, and tells everybody.
func (s *speaker) announce(addr netip.Addr, links []link, f *fence) error {
	v, ctx, err := s.add(addr, links, f, nil)
	if err != nil {
		return err
	}
	s.metrics.wins.Inc()
	s.metrics.announced.Inc()
	s.logger.Info("announcing an address", "address", addr, "interfaces", names(links))
	s.tell(v)
	s.tasks.Go(func() {
		for range calls - 1 {
			if !pause.Sleep(ctx, callPause) {
				return
			}
			s.tell(v)
		}
	})
	return nil
}

// probe asks whether another host has an address. The verdict is sent unless
// the address is dropped before.
func (s *speaker) probe(addr netip.Addr, links []link, f *fence, tell func(verdict)) {
	v, ctx, err := s.add(addr, links, f, make(chan verdict, 1))
	if err != nil {
		s.tasks.Go(func() { tell(verdict{addr: addr, err: err}) })
		return
	}
	s.tasks.Go(func() {
		found, done := s.ask(ctx, v)
		if done && s.remove(v) {
			tell(found)
		}
	})
}

// ask asks a few times, and reports false if ctx ended before that was done.
func (s *speaker) ask(ctx context.Context, v *voice) (verdict, bool) {
	for range probes {
		s.mu.Lock()
		for _, p := range v.ports {
			s.send(v, p, "probe", v.protocol.probe(p.link.mac, v.addr))
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return verdict{}, false
		case found := <-v.found:
			return found, true
		case <-time.After(probePause):
		}
	}
	return verdict{addr: v.addr, free: true}, true
}

// drop ends what there is of an address. Once it returns nothing is sent any
// more.
func (s *speaker) drop(addr netip.Addr) {
	s.mu.Lock()
	v := s.voices[addr]
	s.mu.Unlock()
	if v == nil || !s.remove(v) || v.found != nil {
		return
	}
	s.metrics.losses.Inc()
	s.metrics.announced.Dec()
	s.logger.Info("no longer announcing an address", "address", addr)
}

// close drops everything, and waits for all that was begun.
func (s *speaker) close() {
	s.mu.Lock()
	all := make([]netip.Addr, 0, len(s.voices))
	for addr := range s.voices {
		all = append(all, addr)
	}
	s.mu.Unlock()
	for _, addr := range all {
		s.drop(addr)
	}
	s.tasks.Wait()
}

// tell announces an address, if it wasn't dropped.
func (s *speaker) tell(v *voice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.voices[v.addr] != v {
		return
	}
	for _, p := range v.ports {
		for _, frame := range v.protocol.announce(p.link.mac, v.addr) {
			s.send(v, p, "announcement", frame)
		}
	}
}

// hear takes in a frame that came through a port.
func (s *speaker) hear(p *sharedPort, frame []byte) {
	h, ok := p.protocol.read(frame)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.own(h.from) {
		return
	}
	if v := s.voices[h.claims]; v != nil && slices.Contains(v.ports, p) {
		s.contest(v, p, verdict{addr: v.addr, by: h.from})
	}
	v := s.voices[h.asks]
	switch {
	case v == nil || !slices.Contains(v.ports, p):
	case v.found == nil:
		s.send(v, p, "answer", v.protocol.answer(p.link.mac, v.addr, h))
	case !h.source.IsValid() || h.source.IsUnspecified():
		s.contest(v, p, verdict{addr: v.addr, by: h.from, asks: true})
	}
}

// own reports whether a frame is one of this node's.
func (s *speaker) own(from mac) bool {
	for _, p := range s.ports {
		if p.link.mac == from {
			return true
		}
	}
	return false
}

// contest deals with another host that has, or wants, an address. One that is
// announced is defended, now and then.
func (s *speaker) contest(v *voice, p *sharedPort, found verdict) {
	if v.found != nil {
		select {
		case v.found <- found:
		default:
		}
		return
	}
	s.metrics.conflicts.Inc()
	if time.Since(v.defended) < defence {
		return
	}
	v.defended = time.Now()
	s.logger.Error("another host says it has an address that this node announces; it has to go, or the address out of the pool",
		"address", v.addr, "host", found.by, "interface", p.link.name)
	if s.contested != nil {
		s.contested(v.addr, found.by)
	}
	for _, frame := range v.protocol.announce(p.link.mac, v.addr) {
		s.send(v, p, "announcement", frame)
	}
}

// send sends a frame, if this node may.
func (s *speaker) send(v *voice, p *sharedPort, kind string, frame []byte) {
	if v.fence.open() == 0 {
		return
	}
	if err := p.port.send(frame); err != nil {
		s.logger.Debug("nothing sent", "interface", p.link.name, "kind", kind, "error", err)
		return
	}
	s.metrics.frames.WithLabelValues(p.protocol.name, kind).Inc()
}

func names(links []link) []string {
	var all []string
	for _, l := range links {
		all = append(all, l.name)
	}
	return all
}
