package iptables

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// applier carries out a plan for one family.
type applier struct {
	kernel   Kernel
	family   rules.Family
	chunk    int // how many steps go into one transaction
	logger   *slog.Logger
	rejected *rules.RejectedError
	// faults are refused rules that belong to no service.
	faults []error
}

// apply carries out a plan, as much of it as the kernel takes. An error says
// that it is not known what stands now.
func (a *applier) apply(ctx context.Context, p plan) error {
	steps := p.steps()
	for len(steps) > 0 {
		n := min(a.chunk, len(steps))
		if err := a.steps(ctx, steps[:n]); err != nil {
			return err
		}
		steps = steps[n:]
	}
	return errors.Join(a.faults...)
}

// steps carries out some steps in one transaction. If the kernel refuses that,
// each half is tried by itself, down to the single step that it refuses.
func (a *applier) steps(ctx context.Context, steps []step) error {
	err := a.kernel.Restore(ctx, a.family, script(steps))
	if err == nil || !isRefusal(err) {
		return err
	}
	if len(steps) == 1 {
		return a.single(ctx, steps[0], err)
	}
	if err := a.steps(ctx, steps[:len(steps)/2]); err != nil {
		return err
	}
	return a.steps(ctx, steps[len(steps)/2:])
}

// single makes the best of a step that the kernel refuses.
func (a *applier) single(ctx context.Context, s step, refusal error) error {
	switch {
	case s.write != nil && len(s.write.blocks) > 0:
		return a.salvage(ctx, s.write)
	case s.delete != nil:
		a.logger.Warn("a chain of ours can't be deleted; is there a rule of yours that leads to it?",
			"family", a.family, "table", s.delete.table, "chain", s.delete.name, "err", refusal)
		return nil
	}
	return refusal
}

// salvage writes a chain without those of its blocks that the kernel refuses.
// An empty chain at least there has to be, for the others that lead to it.
func (a *applier) salvage(ctx context.Context, c *chain) error {
	good := *c
	good.blocks = nil
	if err := a.kernel.Restore(ctx, a.family, script([]step{{write: &good}})); err != nil {
		return err
	}
	for _, b := range c.blocks {
		try := good
		try.blocks = append(good.blocks[:len(good.blocks):len(good.blocks)], b)
		err := a.kernel.Restore(ctx, a.family, script([]step{{write: &try}}))
		switch {
		case err == nil:
			good = try
		case !isRefusal(err):
			return err
		default:
			a.reject(c, b, err)
		}
	}
	return nil
}

func (a *applier) reject(c *chain, b block, err error) {
	if b.service == (registry.Key{}) {
		a.faults = append(a.faults, fmt.Errorf("table %s, chain %s: %w", c.table, c.name, err))
		return
	}
	a.rejected.Add(b.service, err)
}
