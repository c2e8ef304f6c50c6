package proxyd

import (
	"context"
	"errors"
	"time"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// sync takes the news and brings the kernel in step with them. Before the
// first snapshot it does nothing: rules that stand from before stay.
func (l *loop) sync(ctx context.Context) error {
	start := time.Now()
	n := l.inbox.take()
	changed := l.compile(&n)
	if l.ruleset == nil {
		l.inbox.done()
		return nil
	}
	full := l.reconcile
	if full {
		changed = nil
	}
	programs := full || len(changed) > 0
	if programs {
		l.metrics.took("compile", start)
		if err := l.program(ctx, changed); err != nil {
			return err
		}
	}
	l.inbox.done()
	l.latency.finish(l.snapshot, programs)
	l.checks.update(ctx, l.ruleset, l.policy.NodeAddrs)
	l.flows.begin(ctx, l.ruleset, l.networks)
	if programs {
		l.metrics.synced(full, start)
	}
	if full {
		l.memory.tidy(l.ruleset.Len())
	}
	return nil
}

// compile makes the ruleset of the latest snapshot, and returns the frontends
// that differ. What can't be told by frontends makes the next sync a full one.
func (l *loop) compile(n *news) []rules.Frontend {
	if n.snapshot != nil {
		l.snapshot = n.snapshot
	}
	if l.snapshot == nil || l.policy.awaitsPools && !n.pooled {
		l.policy.take(n, nil)
		return nil
	}
	if n.networks || l.ruleset == nil {
		l.networks = l.snapshot.PortalNetworks()
		l.reconcile = true
	}
	var changed []rules.Frontend
	old := l.ruleset
	if l.policy.take(n, l.snapshot) || old == nil || n.networks {
		l.ruleset = rules.Compile(l.snapshot, l.policy.Policy)
		l.reconcile = true
		l.flows.recompiled(old)
		l.refusals.compare(l.logger, l.ruleset.Refusals())
	} else if len(n.services) > 0 {
		changes := n.changes()
		l.ruleset, changed = old.Under(l.policy.Policy).Update(l.snapshot, changes)
		l.flows.note(old, l.ruleset, changed)
		gone, come := l.ruleset.RefusalsSince(old, changes.Services)
		l.refusals.change(l.logger, gone, come)
	}
	if l.ruleset != old {
		l.metrics.compiled(l.ruleset, len(l.refusals))
	}
	return changed
}

// program carries the ruleset out. A failure makes the next sync a full one.
// Rules that the kernel refused are told of, and tried again with the next full
// sync, which comes soon: all others stand.
func (l *loop) program(ctx context.Context, changed []rules.Frontend) error {
	start, full := time.Now(), changed == nil
	if full {
		l.rouse() // whoever waits makes large changes expensive
	}
	err := l.kernel.Sync(ctx, l.ruleset, changed, l.networks)
	l.metrics.took("program", start)
	rejected, refused := errors.AsType[*rules.RejectedError](err)
	if err != nil {
		l.metrics.failures.Inc()
	}
	if err != nil && !refused {
		l.reconcile = true
		return err
	}
	l.marked(full, time.Since(start))
	l.aside.take(full, rejected, l.logger)
	l.metrics.aside.Set(float64(len(l.aside)))
	if refused {
		l.fullWithin(maxPause)
	}
	l.reconcile = false
	l.flows.all = l.flows.all || full
	l.metrics.lastSync.SetToCurrentTime()
	l.told.synced(l.ruleset.Len())
	return nil
}
