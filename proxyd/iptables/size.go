package iptables

import (
	"sync"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// size is how many chains there are, and how many rules in them.
type size struct{ chains, rules int }

// add adds a chain so many times, or takes it away.
func (s *size) add(c *chain, times int) {
	s.chains += times
	for _, b := range c.blocks {
		s.rules += times * len(b.rules)
	}
}

// sizes are how much stands of each family. They may be asked for at any time.
type sizes struct {
	mu sync.Mutex
	of map[rules.Family]size
}

// note notes what stands, or by how much more that is.
func (s *sizes) note(family rules.Family, n size, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if more {
		n.chains += s.of[family].chains
		n.rules += s.of[family].rules
	}
	if s.of == nil {
		s.of = map[rules.Family]size{}
	}
	s.of[family] = n
}

// Sizes returns how many chains and rules of ours stand in the kernel, as of the
// last Sync. Any goroutine may call it at any time.
func (p *Proxier) Sizes() map[string]int {
	p.sizes.mu.Lock()
	defer p.sizes.mu.Unlock()
	all := map[string]int{"chains": 0, "rules": 0}
	for _, n := range p.sizes.of {
		all["chains"] += n.chains
		all["rules"] += n.rules
	}
	return all
}
