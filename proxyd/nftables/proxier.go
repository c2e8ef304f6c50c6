package nftables

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"

	"github.com/svcreg/svcreg/proxyd/node"
	"github.com/svcreg/svcreg/proxyd/rules"
)

// Proxier keeps the kernel's nftables rules in step with a Ruleset. Its methods
// are for one goroutine at a time.
type Proxier struct {
	cfg      Config
	kernel   *ledger
	changes  node.NFTables
	families map[rules.Family]*table
	many     int // elements, which are replaced rather than read
}

// table is what is known of a family's table.
type table struct {
	version uint32
	size    atomic.Int64 // how many elements stand
	// applied is what the kernel has; nil where that is not known.
	applied *rules.Ruleset
	// classes are those that have a chain.
	classes map[class]bool
	// stale are the keys of hairpin that may be nobody's any more.
	stale map[string]bool
	// rejected are the services that were set aside, and why.
	rejected rules.RejectedError
}

// New returns a Proxier for this machine, or rather, the network namespace that
// its methods are called in. It fails where there is no nft(8); without IPv6 in
// the kernel it does IPv4 only.
func New(cfg Config) (*Proxier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	families, err := probe()
	if err != nil {
		return nil, err
	}
	if !slices.Contains(families, rules.IPv6) {
		cfg.logger().Warn("no IPv6: services are carried out for IPv4 only", "err", "the kernel has no IPv6")
	}
	return newProxier(cfg, &real{}, families), nil
}

func newProxier(cfg Config, k kernel, families []rules.Family) *Proxier {
	p := &Proxier{cfg: cfg, kernel: &ledger{kernel: k}, families: map[rules.Family]*table{}, many: manyElements}
	for _, f := range families {
		p.families[f] = &table{version: version(f, cfg)}
	}
	return p
}

// Sync makes the kernel do what a Ruleset says. Changed names the frontends
// whose rules differ from those of the last Sync; nil means that anything may
// differ, and that the kernel is repaired: it is read first, unless nobody else has
// changed any rules since it was. The networks of portal IPs make no difference:
// each portal IP is known.
//
// Services whose elements the kernel refuses are set aside, the others carried
// out, and the error is a *rules.RejectedError, until that changes. After any
// other error the next Sync reads the kernel, whatever changed.
func (p *Proxier) Sync(ctx context.Context, r *rules.Ruleset, changed []rules.Frontend, _ []netip.Prefix) error {
	trusted := changed != nil || p.kernel.Untouched(p.kernel.generation())
	if !trusted {
		p.kernel.Begin(p.kernel.generation())
	}
	defer func() { p.kernel.Check(p.kernel.generation()) }()
	var rejected rules.RejectedError
	var errs []error
	for _, f := range slices.Sorted(maps.Keys(p.families)) {
		if err := p.sync(ctx, f, r, changed, trusted); err != nil {
			errs = append(errs, fmt.Errorf("%v: %w", f, err))
		}
		for k, why := range p.families[f].rejected.Services {
			rejected.Add(k, fmt.Errorf("%v: %w", f, why))
		}
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	if len(rejected.Services) > 0 {
		return &rejected
	}
	return nil
}

// sync does what Sync does for one family. Trusted says that what was applied
// stands.
func (p *Proxier) sync(ctx context.Context, f rules.Family, r *rules.Ruleset, changed []rules.Frontend, trusted bool) error {
	t := p.families[f]
	full := changed == nil
	if full && len(t.rejected.Services) > 0 {
		trusted = false // the kernel may take them by now
	}
	if trusted && t.applied != nil {
		if full {
			changed = r.Differing(t.applied)
		}
		done, err := p.update(ctx, f, r, changed, full)
		if done || ctx.Err() != nil {
			return err
		}
		if err != nil {
			p.cfg.logger().Warn("a change failed; all rules are compared", "family", f, "err", err)
		}
	}
	return p.reconcile(ctx, f, r)
}

// update carries out what changed, and clears away what changes left if that is
// wanted. It reports false where that is not enough.
func (p *Proxier) update(ctx context.Context, f rules.Family, r *rules.Ruleset, changed []rules.Frontend, sweep bool) (done bool, err error) {
	t := p.families[f]
	var all []rules.Rule
	var groups []group
	size := 0
	for _, at := range changed {
		if !f.Has(at.Addr) {
			continue
		}
		before, now := lookup(t.applied, at), lookup(r, at)
		if t.sideline(before) || t.sideline(now) {
			return false, nil
		}
		if now != nil {
			all = append(all, *now)
		}
		g := change(before, now)
		size += len(g.come) - len(g.gone)
		groups = append(groups, g)
		t.leaves(before, now)
	}
	if sweep {
		swept := t.sweep(f, r)
		size -= len(swept.gone)
		groups = append(groups, parts(swept)...)
	}
	t.applied = nil // until it is known
	if err := p.ensure(ctx, f, all); err != nil {
		return false, err
	}
	a := applier{p.kernel, f, &t.rejected}
	if err := a.apply(ctx, groups); err != nil {
		return false, err
	}
	t.applied = r
	t.size.Add(int64(size))
	return true, nil
}

// sideline reports whether a rule is of a service that is set aside, or has to
// be.
func (t *table) sideline(r *rules.Rule) bool {
	return r != nil && (t.rejected.Services[r.Service] != nil || tooMany(r) != nil)
}

func lookup(r *rules.Ruleset, at rules.Frontend) *rules.Rule {
	if rule, ok := r.Lookup(at); ok {
		return &rule
	}
	return nil
}

// ensure makes the chains that rules lack.
func (p *Proxier) ensure(ctx context.Context, f rules.Family, all []rules.Rule) error {
	t := p.families[f]
	lack := classesOf(all)
	maps.DeleteFunc(lack, func(c class, _ bool) bool { return t.classes[c] })
	if len(lack) == 0 {
		return nil
	}
	if err := p.kernel.run(ctx, classText(f, p.cfg, slices.Sorted(maps.Keys(lack)))); err != nil {
		return fmt.Errorf("make chains: %w", err)
	}
	maps.Copy(t.classes, lack)
	return p.kernel.sign(f, t.version)
}

// classesOf returns the classes of rules.
func classesOf(all []rules.Rule) map[class]bool {
	found := map[class]bool{}
	for i := range all {
		inner, out := classes(&all[i])
		found[inner] = true
		if all[i].Outside != nil {
			found[out] = true
		}
	}
	return found
}

// Sizes returns how many elements stand in the kernel, as of the last Sync. Any
// goroutine may call it at any time.
func (p *Proxier) Sizes() map[string]int {
	n := int64(0)
	for _, t := range p.families {
		n += t.size.Load()
	}
	return map[string]int{"elements": int(n)}
}
