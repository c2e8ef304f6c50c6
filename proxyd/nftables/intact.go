package nftables

import (
	"context"
	"fmt"
	"io"
)

// Generation returns a number that is another one after a change to the kernel's
// rules, by whomever. Asking costs a few microseconds.
func (p *Proxier) Generation() (uint64, error) {
	g, err := p.kernel.generation()
	return uint64(g), err
}

// Changes returns what tells of the next change to the kernel's rules, by
// whomever; see node.NFTables.
func (p *Proxier) Changes() (io.ReadCloser, error) { return p.changes.Changes() }

// Intact reports whether all chains stand as they were made, and what leads to
// them. It costs less than a millisecond, and nothing where nobody else changed
// any rules. What it doesn't find is a change to single services' elements.
func (p *Proxier) Intact(context.Context) (bool, error) {
	if p.kernel.Untouched(p.kernel.generation()) {
		return true, nil
	}
	for f, t := range p.families {
		if t.applied == nil {
			continue // the next Sync reads it anyway
		}
		s, err := p.kernel.glance(f)
		if err != nil {
			return false, fmt.Errorf("%v: look whether our rules stand: %w", f, err)
		}
		if !s.intact(t.version) {
			return false, nil
		}
	}
	return true, nil
}
