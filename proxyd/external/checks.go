package external

import (
	"context"
	"net/netip"
	"time"
)

// firstEach is how much each endpoint adds to the time over which first checks
// are spread: where thousands come at once, they would fail for being so many.
const firstEach = time.Second / 2000

// checked is an endpoint that is checked now and then.
type checked struct {
	health
	how  check
	next *entry
}

// target returns where an endpoint is checked, and whether it is at all.
func (src *source) target(g *group, e *outside) (target, bool) {
	if src.check == nil {
		return target{}, false
	}
	port, protocol, ok := src.check.portOf(g.ports)
	host := e.host
	if host == "" {
		host = src.service.Name + "." + src.service.Namespace
	}
	return target{netip.AddrPortFrom(e.Addr, port), protocol, host}, ok
}

// check has the endpoints of an expansion checked, and no others.
func (c *controller) check(ctx context.Context, s *service, x *expansion) {
	wanted := map[target]bool{}
	if x != nil {
		for i := range x.groups {
			g := &x.groups[i]
			for j := range g.endpoints {
				if t, ok := s.source.target(g, &g.endpoints[j]); ok {
					wanted[t] = true
				}
			}
		}
	}
	for t, one := range s.checks {
		if !wanted[t] || one.how != *s.source.check {
			c.uncheck(s, t)
		}
	}
	var before *memory
	for t := range wanted {
		if s.checks[t] == nil {
			if before == nil {
				before = s.source.memory()
				before.recall(s.source, len(s.checks) == 0)
			}
			c.begin(ctx, s, t, before)
		}
	}
	if s.source.check != nil && x != nil && len(wanted) == 0 && len(x.groups) > 0 {
		x.remarks = append(x.remarks, "not checked: no endpoint has a port for "+s.source.check.method)
	}
}

// begin has an endpoint checked. What the leader before found out about it
// counts until a check says otherwise.
func (c *controller) begin(ctx context.Context, s *service, t target, before *memory) {
	one := &checked{health: health{up: true}, how: *s.source.check}
	c.checking++
	first := min(max(one.how.interval/10, time.Duration(c.checking)*firstEach), one.how.interval)
	if ready, known := before.ready[t.addr.Addr()]; known {
		one.up, one.judged, first = ready, true, one.how.period()
		one.reason = before.reason[t.addr]
	}
	s.checks[t] = one
	one.next = c.agenda.at(time.Now().Add(within(first)), func() { c.probeOrWait(ctx, s, t, one) })
}

// memory is what our own slices say of endpoints: who is ready, and why others
// fail.
type memory struct {
	ready  map[netip.Addr]bool
	reason map[netip.AddrPort]string
}

func (src *source) memory() *memory {
	m := &memory{map[netip.Addr]bool{}, map[netip.AddrPort]string{}}
	for _, slice := range src.own {
		for _, subset := range slice.Subsets {
			for _, e := range subset.Endpoints {
				m.ready[e.Addr.Unmap()] = m.ready[e.Addr.Unmap()] || e.Ready
			}
		}
		for _, remark := range Remarks(slice) {
			if at, reason, ok := splitFailing(remark); ok {
				m.reason[at] = reason
			}
		}
	}
	return m
}

// uncheck is the end of begin.
func (c *controller) uncheck(s *service, t target) {
	c.agenda.cancel(s.checks[t].next)
	delete(s.checks, t)
	c.checking--
}

// probeOrWait makes a check, as soon as there are few enough under way.
func (c *controller) probeOrWait(ctx context.Context, s *service, t target, one *checked) {
	if s.checks[t] != one {
		return
	}
	if c.probes >= c.MaxChecks {
		c.metrics.late.Inc()
		c.queue = append(c.queue, func() { c.probeOrWait(ctx, s, t, one) })
		return
	}
	c.probes++
	begun := time.Now()
	c.spawn(ctx, func() func() {
		err := c.probe(ctx, &one.how, t)
		return func() { c.probed(ctx, s, t, one, begun, err) }
	})
}

// probed takes the outcome of a check in.
func (c *controller) probed(ctx context.Context, s *service, t target, one *checked, begun time.Time, err error) {
	c.probes--
	defer c.startQueued()
	if s.checks[t] != one {
		return
	}
	c.metrics.checked(err)
	if one.observe(err, one.how.rise, one.how.fall) {
		c.logger.Info("an endpoint's health has changed", "service", s.key, "endpoint", t.addr, "passes", one.up, "reason", one.reason)
		c.touch(s)
	}
	due := begun.Add(jittered(one.how.period()))
	one.next = c.agenda.at(due, func() { c.probeOrWait(ctx, s, t, one) })
}

// startQueued starts checks that waited.
func (c *controller) startQueued() {
	for len(c.queue) > 0 && c.probes < c.MaxChecks {
		next := c.queue[0]
		c.queue = c.queue[1:]
		next()
	}
}
