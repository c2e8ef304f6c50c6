package announce

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// step brings what this node does in line with what is known.
func (a *agent) step(ctx context.Context) {
	a.learn()
	s := a.view.state()
	t := a.lease.current()
	if s == nil || t == nil {
		a.metrics.lease.Set(0)
		a.silence()
		return
	}
	a.metrics.lease.Set(1)
	a.register(ctx, s, t.id)
	wanted := a.wanted(s, t.id)
	a.quieten(s, t.id, wanted)
	a.release(ctx, s, t.id, wanted)
	if s.revision < a.floor {
		return // the view wakes the loop when it has caught up
	}
	a.take(ctx, s, t, wanted)
	a.speak(s, t, wanted)
}

// silence ends all that is said.
func (a *agent) silence() {
	a.ending(a.warn, "it may have lost its lease")
	for addr := range a.speaking {
		a.speaker.drop(addr)
	}
	for addr := range a.asking {
		a.speaker.drop(addr)
	}
	clear(a.speaking)
	clear(a.asking)
}

// register writes this node's record if it isn't what etcd has.
func (a *agent) register(ctx context.Context, s *state, id clientv3.LeaseID) {
	m := &member{Subnets: subnetsOf(a.links), Local: map[netip.Addr]int{}}
	for addr, holders := range s.allocated {
		if n := a.demands.at(addr, holders).here; n > 0 {
			m.Local[addr] = n
		}
	}
	a.missed(s, id)
	m.Joining = a.joining(m, id)
	if a.registered == id && m.equal(a.record) {
		return
	}
	if a.registered != id {
		a.floor, a.record = 0, nil
		clear(a.doubtful)
	}
	revision, err := a.claims.register(ctx, id, m)
	if err != nil {
		a.again, a.record = true, nil
		a.logger.Warn("this node's record isn't written", "error", err)
		return
	}
	a.registered, a.record, a.written = id, m, revision
}

// joining reports whether this node has come only just: it has its lease, or a
// subnet in its record, since then.
func (a *agent) joining(m *member, id clientv3.LeaseID) bool {
	if a.registered != id || a.record != nil && m.gains(a.record) {
		a.joined = time.Now()
	}
	return time.Since(a.joined) < a.config.Settle
}

// missed looks for what became of this node's record. One that was deleted is
// written again. One that another node has written, of the same name, stays:
// that node announces, and this one doesn't.
func (a *agent) missed(s *state, id clientv3.LeaseID) {
	if a.registered != id || s.revision < a.written {
		return
	}
	holder, there := s.leases[a.node]
	if !there {
		a.record = nil
	}
	if other := there && holder != id; other != a.namesake {
		a.namesake = other
		if other {
			a.logger.Error("another node has the name of this one, which announces nothing while that is so", "node", a.node)
		}
	}
}

// wanted returns the addresses that this node is chosen for, and where they
// are announced.
func (a *agent) wanted(s *state, id clientv3.LeaseID) map[netip.Addr][]link {
	wanted := map[netip.Addr][]link{}
	if s.leases[a.node] != id {
		return wanted // not known to others yet
	}
	for addr, holders := range s.allocated {
		to := linksTo(addr, a.links)
		if len(to) > 0 && choose(addr, a.demands.at(addr, holders).anywhere, s.members, s.claims[addr].node) == a.node {
			wanted[addr] = to
		}
	}
	for addr := range a.blocked {
		if wanted[addr] == nil {
			delete(a.blocked, addr)
		}
	}
	a.metrics.disputed.Set(float64(len(a.blocked)))
	return wanted
}

// quieten ends what isn't this node's to say any more.
func (a *agent) quieten(s *state, id clientv3.LeaseID, wanted map[netip.Addr][]link) {
	for addr, links := range a.speaking {
		to := wanted[addr]
		if s.claims[addr].lease != id || !slices.EqualFunc(links, to, link.same) {
			a.speaker.drop(addr)
			delete(a.speaking, addr)
			a.normal(addr, "NotAnnouncing", "node %s no longer announces %v: %s", a.node, addr, why(to))
		}
	}
	for addr := range a.asking {
		if wanted[addr] == nil {
			a.speaker.drop(addr)
			delete(a.asking, addr)
		}
	}
}

// release gives up what this node has claimed and isn't chosen for any more,
// after it has ceased to announce it. A claim of which it isn't known whether
// it was released is not to be relied on, so it is released again.
func (a *agent) release(ctx context.Context, s *state, id clientv3.LeaseID, wanted map[netip.Addr][]link) {
	held := map[netip.Addr]claim{}
	for addr, c := range s.claims {
		if c.lease == id && (wanted[addr] == nil || a.doubtful[addr]) {
			held[addr] = c
		}
	}
	maps.DeleteFunc(a.doubtful, func(addr netip.Addr, _ bool) bool { return s.claims[addr].lease != id })
	if len(held) == 0 || s.revision < a.floor {
		return
	}
	revision, err := a.claims.release(ctx, held)
	if err != nil {
		a.again = true
		a.logger.Warn("addresses that others may announce aren't released yet", "error", err)
	}
	for addr := range held {
		if err != nil {
			a.doubtful[addr] = true
		} else {
			delete(a.doubtful, addr)
		}
	}
	a.floor = max(a.floor, revision)
}

// take claims the addresses that nobody has claimed, of which it is known that
// no other host has them; for the others it has that found out.
func (a *agent) take(ctx context.Context, s *state, t *term, wanted map[netip.Addr][]link) {
	var free []netip.Addr
	for addr, links := range wanted {
		if _, claimed := s.claims[addr]; claimed || a.asking[addr] || time.Now().Before(a.blocked[addr]) {
			continue
		}
		delete(a.blocked, addr)
		if time.Since(s.left[addr]) < fresh || time.Since(a.cleared[addr]) < fresh {
			free = append(free, addr)
			continue
		}
		a.asking[addr] = true
		a.speaker.probe(addr, links, &t.fence, a.tell)
	}
	maps.DeleteFunc(a.cleared, func(_ netip.Addr, at time.Time) bool { return time.Since(at) > fresh })
	if len(free) == 0 {
		return
	}
	revision, err := a.claims.take(ctx, t.id, free)
	if err != nil {
		a.again = true
		a.logger.Warn("addresses aren't claimed yet", "error", err)
	}
	a.floor = max(a.floor, revision)
}

// speak begins to announce what this node has claimed.
func (a *agent) speak(s *state, t *term, wanted map[netip.Addr][]link) {
	for addr, links := range wanted {
		if s.claims[addr].lease != t.id || a.speaking[addr] != nil || a.doubtful[addr] {
			continue
		}
		if err := a.speaker.announce(addr, links, &t.fence); err != nil {
			a.again = true
			a.logger.Error("can't announce an address", "address", addr, "error", err)
			a.warn(addr, "AnnounceFailed", "node %s can't announce %v: %v", a.node, addr, err)
			continue
		}
		a.speaking[addr] = links
		a.normal(addr, "Announcing", "node %s announces %v on %s", a.node, addr, strings.Join(names(links), ", "))
	}
}
