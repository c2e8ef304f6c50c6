package nftables

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

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

// Sizes returns how many elements stand in the kernel, as of the last Sync. Any
// goroutine may call it at any time.
func (p *Proxier) Sizes() map[string]int {
	n := int64(0)
	for _, t := range p.families {
		n += t.size.Load()
	}
	return map[string]int{"elements": int(n)}
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
