package nftables

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"syscall"
	"time"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// The attempts to bring the kernel in step, while the errors are such that may
// pass, and the pause between them.
const (
	attempts = 3
	pause    = 20 * time.Millisecond
)

// reconcile compares everything with the kernel and repairs it.
func (p *Proxier) reconcile(ctx context.Context, f rules.Family, r *rules.Ruleset) (err error) {
	t := p.families[f]
	for range attempts {
		t.applied, t.rejected, t.stale = nil, rules.RejectedError{}, nil
		if err = p.repair(ctx, f, r); err == nil {
			t.applied = r
			return nil
		}
		if !isTemporary(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
	return err
}

func (p *Proxier) repair(ctx context.Context, f rules.Family, r *rules.Ruleset) error {
	t := p.families[f]
	s, err := p.kernel.glance(f)
	if err != nil {
		return err
	}
	all, stands := t.feasible(f, r), s != nil
	if !s.intact(t.version) {
		if s, err = p.rebuild(ctx, f, all, stands); err != nil {
			return err
		}
	}
	t.classes = s.classes
	if err := p.ensure(ctx, f, all); err != nil {
		return err
	}
	if stands && p.replace(f, all) {
		return nil
	}
	if s, err = p.kernel.read(f); err != nil {
		return err
	}
	if s == nil {
		return syscall.ENOENT // somebody else is at it
	}
	return p.difference(ctx, f, s, all)
}

// difference carries out what makes a difference between what stands and rules.
func (p *Proxier) difference(ctx context.Context, f rules.Family, s *standing, all []rules.Rule) error {
	t := p.families[f]
	size := 0
	for id := range s.elements {
		size += len(s.elements[id])
	}
	groups := repair(f, s, all)
	for i := range groups {
		size += len(groups[i].come) - len(groups[i].gone)
	}
	t.size.Store(int64(size))
	a := applier{p.kernel, f, &t.rejected}
	return a.apply(ctx, groups)
}

// feasible returns the rules of a family that can be carried out.
func (t *table) feasible(f rules.Family, r *rules.Ruleset) []rules.Rule {
	all := make([]rules.Rule, 0, r.Len())
	for rule := range r.Rules() {
		if !f.Has(rule.Addr) {
			continue
		}
		if err := tooMany(&rule); err != nil {
			t.rejected.Add(rule.Service, err)
			continue
		}
		all = append(all, rule)
	}
	return all
}

// rebuild makes the table anew, and returns what stands then. Where packets go
// by the one that is there, all elements come with it, unless the kernel refuses
// some: then those that it takes follow as fast as they can.
func (p *Proxier) rebuild(ctx context.Context, f rules.Family, all []rules.Rule, stands bool) (*standing, error) {
	t := p.families[f]
	text := removal(f) + skeleton(f, p.cfg)
	err := errors.New("nothing to replace")
	if stands {
		p.cfg.logger().Info("the chains are not those of this version and configuration, or were changed; replacing them", "family", f)
		lack := classesOf(all)
		for _, c := range built() {
			delete(lack, c)
		}
		full := text
		if len(lack) > 0 {
			full += classText(f, p.cfg, slices.Sorted(maps.Keys(lack)))
		}
		if err = p.kernel.run(ctx, full+elementsText(f, all)); err != nil {
			p.cfg.logger().Warn("chains and elements can't be replaced at once", "family", f, "err", err)
		}
	}
	if err != nil {
		if err = p.kernel.run(ctx, text); err != nil {
			return nil, fmt.Errorf("make tables: %w", err)
		}
	}
	if err := p.kernel.sign(f, t.version); err != nil {
		return nil, fmt.Errorf("read tables: %w", err)
	}
	s, err := p.kernel.glance(f)
	if err == nil && !s.intact(t.version) {
		err = errors.New("somebody else changes table " + tableName)
	}
	return s, err
}

// removal returns the text for nft that removes a family's table, if it is
// there.
func removal(f rules.Family) string {
	return words(f, false).Replace(fmt.Sprintf("table IP %[1]s {}\ndelete table IP %[1]s\n", tableName))
}
