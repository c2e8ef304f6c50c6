package shape

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/svcreg/svcreg/bench/dataplane/services"
	"github.com/svcreg/svcreg/proxyd/iptables"
	"github.com/svcreg/svcreg/proxyd/nftables"
	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// kernel is what proxyd's packages offer.
type kernel interface {
	Sync(ctx context.Context, r *rules.Ruleset, changed []rules.Frontend, portal []netip.Prefix) error
}

// svcreg is one of proxyd's packages, driven as proxyd does it.
type svcreg struct {
	kernel   kernel
	snapshot *registry.Snapshot
	ruleset  *rules.Ruleset
}

// tree returns proxyd/iptables, by one of the two backends.
func tree(backend string) func() (Plane, error) {
	return func() (Plane, error) {
		p, err := iptables.New(iptables.Config{
			Mode: backend, ClusterCIDRs: []netip.Prefix{services.Cluster}, Logger: slog.New(slog.DiscardHandler),
		})
		return &svcreg{kernel: p}, err
	}
}

// maps returns proxyd/nftables.
func maps() (Plane, error) {
	p, err := nftables.New(nftables.Config{ClusterCIDRs: []netip.Prefix{services.Cluster}, Logger: slog.New(slog.DiscardHandler)})
	return &svcreg{kernel: p}, err
}

// Load programs all services.
func (s *svcreg) Load(ctx context.Context, f *services.Fleet) (time.Duration, error) {
	snapshot, err := f.Snapshot()
	if err != nil {
		return 0, err
	}
	s.snapshot = snapshot
	s.ruleset = rules.Compile(snapshot, rules.Policy{NodeName: "node", ClusterCIDRs: []netip.Prefix{services.Cluster}})
	began := time.Now()
	err = s.kernel.Sync(ctx, s.ruleset, nil, []netip.Prefix{services.Portals})
	return time.Since(began), err
}

// Change programs what became of a service.
func (s *svcreg) Change(ctx context.Context, _, now services.Service) (time.Duration, error) {
	object, err := services.Decode(now.Slice())
	if err != nil {
		return 0, err
	}
	next, changes := s.snapshot.Apply(s.snapshot.Revision()+1, registry.Put(object))
	s.snapshot = next
	began := time.Now()
	ruleset, changed := s.ruleset.Update(next, changes)
	s.ruleset = ruleset
	err = s.kernel.Sync(ctx, ruleset, changed, []netip.Prefix{services.Portals})
	return time.Since(began), err
}
