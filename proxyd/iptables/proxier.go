package iptables

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// Proxier keeps the kernel's iptables rules in step with a Ruleset. Its
// methods are for one goroutine at a time.
type Proxier struct {
	cfg      Config
	kernel   *ledger
	features Features
	// applied is what the kernel has of each family, as far as is known.
	applied map[rules.Family]state
	sizes   sizes
}

// New returns a Proxier for the iptables of this machine. It fails where
// there is no usable iptables; without ip6tables, or IPv6 in the kernel, it
// does IPv4 only, and says so once.
func New(cfg Config) (*Proxier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	kernel := newCommands(cfg.Mode)
	features, noIPv6, err := kernel.probe(context.Background())
	if err != nil {
		return nil, err
	}
	if noIPv6 != nil {
		cfg.logger().Warn("no IPv6: services are carried out for IPv4 only", "err", noIPv6)
	}
	return NewWithKernel(cfg, kernel, features), nil
}

// NewWithKernel returns a Proxier for a given Kernel.
func NewWithKernel(cfg Config, kernel Kernel, features Features) *Proxier {
	k := &ledger{Kernel: kernel, legacy: features.Legacy}
	return &Proxier{cfg: cfg, kernel: k, features: features, applied: map[rules.Family]state{}}
}

// Sync makes the kernel do what a Ruleset says. Changed names the frontends
// whose rules differ from those of the last Sync; nil means that anything may
// differ, and that the kernel is repaired: it is read first, unless nobody else has
// changed any rules since it was, which the legacy backend doesn't tell. Portal are
// the networks of portal IPs; with none those of the Config count.
//
// Where the kernel refuses the rules of single services the others are carried
// out, and the error is a *rules.RejectedError. After any other error the next Sync
// reads the kernel, whatever changed.
func (p *Proxier) Sync(ctx context.Context, r *rules.Ruleset, changed []rules.Frontend, portal []netip.Prefix) error {
	b := p.cfg.base(portal, p.features.RandomFully)
	trusted := changed != nil || p.kernel.untouched()
	if !trusted {
		p.kernel.begin()
	}
	defer p.kernel.check()
	var rejected rules.RejectedError
	var errs []error
	for _, family := range p.families() {
		if err := p.sync(ctx, family, r, changed, trusted, b, &rejected); err != nil {
			errs = append(errs, fmt.Errorf("%v: %w", family, err))
		}
	}
	switch {
	case len(rejected.Services) == 0:
		return errors.Join(errs...)
	case len(errs) == 0:
		return &rejected
	}
	return errors.Join(append(errs, errors.New(rejected.Error()))...)
}

func (p *Proxier) families() []rules.Family {
	if p.features.IPv6 {
		return []rules.Family{rules.IPv4, rules.IPv6}
	}
	return []rules.Family{rules.IPv4}
}

// sync does what Sync does for one family. Trusted says that what was applied
// stands.
func (p *Proxier) sync(ctx context.Context, family rules.Family, r *rules.Ruleset, changed []rules.Frontend, trusted bool, b base, rejected *rules.RejectedError) error {
	old, known := p.applied[family]
	if known && changed == nil && trusted && old.base.equal(b) {
		changed = r.Differing(old.rules)
	}
	next, todo, err := p.plan(ctx, family, r, changed, b)
	if err != nil {
		return err
	}
	delete(p.applied, family)
	a := applier{p.kernel, family, p.features.chunk(), p.cfg.logger(), rejected, nil}
	if err := a.apply(ctx, todo); err != nil {
		return err
	}
	p.applied[family] = next
	p.sizes.note(family, todo.size, known && changed != nil)
	return nil
}

// plan returns what a family's state is to be, and the way there: from what
// was applied, or else from what stands.
func (p *Proxier) plan(ctx context.Context, family rules.Family, r *rules.Ruleset, changed []rules.Frontend, b base) (state, plan, error) {
	if old, known := p.applied[family]; known && changed != nil {
		next := old.update(r, changed, b)
		return next, change(old, next), nil
	}
	save, err := p.kernel.Save(ctx, family)
	if err != nil {
		return state{}, plan{}, fmt.Errorf("reading what stands: %w", err)
	}
	next := newState(family, r, b)
	return next, repair(readStanding(save), next), nil
}
