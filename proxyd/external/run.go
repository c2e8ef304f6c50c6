package external

import (
	"context"
	"fmt"
	"time"

	"github.com/svcreg/svcreg/proxyd/leader"
	"github.com/svcreg/svcreg/registry/write"
)

// foreignPause is how long a registry of an apiserver is left alone before it
// is looked at again.
const foreignPause = 10 * time.Minute

// Run looks after the endpoints while this node leads, until ctx ends. It
// returns nil then. In a registry that an apiserver owns it does nothing; it
// isn't even elected there.
func Run(ctx context.Context, c Config) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.withDefaults()
	m := newMetrics()
	if c.Registerer != nil {
		if err := c.Registerer.Register(m); err != nil {
			return fmt.Errorf("external: %w", err)
		}
		defer c.Registerer.Unregister(m)
	}
	for c.awaitOwn(ctx) {
		if err := c.campaign(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// campaign takes part in the election, until ctx ends or the registry turns out
// to be an apiserver's.
func (c Config) campaign(ctx context.Context, m *metrics) error {
	election := leader.Config{
		Client: c.Client, Key: leader.Key(c.Layout, "external"), Node: c.Node,
		TTL: c.LeaderTTL, Logger: c.Logger, Registerer: c.Registerer,
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	return leader.Run(ctx, election, func(ctx context.Context) error {
		defer m.reset()
		err := newController(c, m, newStore(c.Client, c.Layout, write.Options{})).run(ctx)
		if write.IsForeign(err) {
			stop()
		}
		return err
	})
}

// awaitOwn waits until the registry is one that may be written to. It returns
// false as soon as ctx ends.
func (c Config) awaitOwn(ctx context.Context) bool {
	pause, said := leastPause, ""
	for ctx.Err() == nil {
		calling, cancel := context.WithTimeout(ctx, callTimeout)
		err := write.New(c.Client, c.Layout, write.Options{}).Writable(calling)
		cancel()
		if err == nil {
			return true
		}
		wait := pause
		if pause = min(pause*2, mostPause); write.IsForeign(err) {
			wait = foreignPause
		}
		if text := err.Error(); text != said && ctx.Err() == nil {
			said = text
			c.Logger.Warn("no names are resolved and no endpoints checked", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(jittered(wait)):
		}
	}
	return false
}
