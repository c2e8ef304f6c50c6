package external

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// name is a DNS name that is kept resolved for some services.
type name struct {
	host  string
	users map[registry.Key]*service
	asked bool // at least once, with or without success
	addrs [len(families)][]netip.Addr
	chain []string
	err   error // why the last query failed
	pause time.Duration
	next  *entry
}

// all returns the addresses of both families.
func (n *name) all() []netip.Addr { return slices.Concat(n.addrs[0], n.addrs[1]) }

// follow has a name resolved for a service. An answer that another leader had
// counts until there is a newer one.
func (c *controller) follow(ctx context.Context, s *service, host string, restored []netip.Addr) {
	n := c.names[host]
	if n == nil {
		n = &name{host: host, users: map[registry.Key]*service{}}
		c.names[host] = n
		n.next = c.agenda.at(time.Now(), func() { c.ask(ctx, n) })
	}
	n.users[s.key] = s
	if !n.asked && len(restored) > 0 && len(n.all()) == 0 {
		for _, addr := range restored {
			n.put(addr)
		}
	}
	c.metrics.names.Set(float64(len(c.names)))
}

func (n *name) put(addr netip.Addr) {
	family := 0
	if addr.Is6() {
		family = 1
	}
	n.addrs[family] = append(n.addrs[family], addr)
}

// leave is the end of follow.
func (c *controller) leave(s *service, host string) {
	n := c.names[host]
	if n == nil {
		return
	}
	if delete(n.users, s.key); len(n.users) == 0 {
		c.agenda.cancel(n.next)
		delete(c.names, host)
	}
	c.metrics.names.Set(float64(len(c.names)))
}

// ask resolves a name, and again when the answer is too old.
func (c *controller) ask(ctx context.Context, n *name) {
	c.spawn(ctx, func() func() {
		a := c.lookup(ctx, n.host)
		return func() {
			if c.names[n.host] != n {
				return
			}
			n.next = c.agenda.at(time.Now().Add(c.answered(n, a)), func() { c.ask(ctx, n) })
		}
	})
}

// answered takes an answer in, and returns when to ask again. What failed leaves
// the last good answer as it is, for each family by itself.
func (c *controller) answered(n *name, a *answer) time.Duration {
	before, first, was := n.all(), !n.asked, text(n.err)
	n.asked, n.err = true, a.failed()
	wait := min(max(a.ttl, c.MinTTL), c.MaxTTL)
	if n.err == nil {
		for i := range families {
			if a.errs[i] == nil {
				slices.SortFunc(a.addrs[i], netip.Addr.Compare)
				n.addrs[i] = slices.Compact(a.addrs[i])
			}
		}
		n.chain, n.pause = a.chain, 0
	} else {
		c.metrics.unresolved.Inc()
		n.pause = min(max(c.MinTTL, n.pause*2), c.MaxTTL)
		wait = n.pause
	}
	if now := text(n.err); now != was && now != "" {
		c.logger.Warn("a name can't be resolved: its last good answer stays, if there is one", "name", n.host, "error", n.err, "answer", n.all())
	}
	if first || text(n.err) != was || !slices.Equal(before, n.all()) {
		for _, s := range n.users {
			c.touch(s)
		}
	}
	return jittered(wait)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// resolve returns the addresses of a name for a service, and what there is to
// say of it.
func (c *controller) resolve(s *service, host string) ([]netip.Addr, string) {
	n := c.names[host]
	if n == nil {
		return nil, ""
	}
	chain := n.chain
	if len(chain) == 0 {
		chain = []string{host}
	}
	if loops(s.key, chain, c.Zones, func(k registry.Key) []string { return hosts(c.snapshot, k) }) {
		return nil, refusal + host + ": " + loopReason
	}
	switch all := n.all(); {
	case n.err == nil:
		return all, ""
	case len(all) > 0:
		return all, "not resolved: " + host + ": " + n.err.Error() + "; the last good answer stays"
	default:
		return nil, "not resolved: " + host + ": " + n.err.Error()
	}
}
