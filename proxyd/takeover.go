package proxyd

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"

	"github.com/svcreg/svcreg/proxyd/iptables"
	"github.com/svcreg/svcreg/proxyd/nftables"
	"github.com/svcreg/svcreg/proxyd/rules"
)

// takeover is a kernel that follows one of another mode: when its own rules
// stand for the first time, those of the other are removed, so that there is no
// moment without rules.
type takeover struct {
	kernel
	remove func(context.Context) error // nil once it is done
	logger *slog.Logger
}

// Sync carries rules out, and removes those of the other mode.
func (t *takeover) Sync(ctx context.Context, r *rules.Ruleset, changed []rules.Frontend, portal []netip.Prefix) error {
	err := t.kernel.Sync(ctx, r, changed, portal)
	rejected := errors.As(err, new(*rules.RejectedError))
	if t.remove == nil || err != nil && !rejected {
		return err
	}
	if failed := t.remove(ctx); failed != nil {
		t.logger.Warn("rules of another proxy mode, if there are any, can't be removed", "err", failed)
		if ctx.Err() != nil {
			return err
		}
	}
	t.remove = nil
	return err
}

// newKernel returns the kernel of a mode, which removes what the other modes
// left.
func newKernel(c *Config) (kernel, error) {
	var k kernel
	var err error
	t := &takeover{logger: c.logger()}
	switch c.ProxyMode {
	case IPTables:
		k, err = iptables.New(c.iptables())
		t.remove = nftables.Cleanup
	case NFTables:
		k, err = nftables.New(c.nftables())
		t.remove = func(ctx context.Context) error { return removeIPTables(ctx, iptables.ModeAuto) }
	default:
		return idle{}, nil
	}
	t.kernel = k
	return t, err
}

// removeIPTables removes the rules of iptables, if there is any.
func removeIPTables(ctx context.Context, backend string) error {
	err := iptables.Cleanup(ctx, backend)
	if errors.Is(err, iptables.ErrMissing) {
		return nil
	}
	return err
}

// nftables returns what package nftables is told.
func (c *Config) nftables() nftables.Config {
	return nftables.Config{
		ClusterCIDRs: c.ClusterCIDRs, MasqueradeAll: c.MasqueradeAll,
		NodePortAddrs: c.NodePortAddrs, Logger: c.logger(),
	}
}
