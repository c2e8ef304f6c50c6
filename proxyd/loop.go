package proxyd

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// kernel is where rules take effect.
type kernel interface {
	// Sync makes it do what a ruleset says: changed are the frontends that
	// differ from the last Sync, nil means that anything may. Portal are the
	// networks of the portal IPs. Where only the rules of single services were
	// refused, the error is a *rules.RejectedError.
	Sync(ctx context.Context, r *rules.Ruleset, changed []rules.Frontend, portal []netip.Prefix) error
	// Generation returns a number that is another one after anybody, proxyd
	// too, has changed rules. It is asked several times a second.
	Generation() (uint64, error)
	// Intact reports whether what was carried out still stands, as far as it
	// can be told at a glance: it is asked once for each new generation.
	Intact(ctx context.Context) (bool, error)
}

// idle is the kernel of mode none.
type idle struct{}

func (idle) Sync(context.Context, *rules.Ruleset, []rules.Frontend, []netip.Prefix) error { return nil }
func (idle) Generation() (uint64, error)                                                  { return 0, nil }
func (idle) Intact(context.Context) (bool, error)                                         { return true, nil }
func (idle) Changes() (io.ReadCloser, error) {
	never, _ := io.Pipe()
	return never, nil
}

const (
	// firstPause follows the first failure, and each one after it doubles the
	// pause up to maxPause.
	firstPause, maxPause = 500 * time.Millisecond, time.Minute
	// recheckPeriod is how often the node's sockets are looked at, where
	// public addresses of the node itself are in use.
	recheckPeriod = 10 * time.Second
)

// loop brings the kernel in step with the registry. All its fields belong to
// the goroutine of run; others speak to it through the inbox.
type loop struct {
	min, full time.Duration // the sync periods
	beat      time.Duration // how often to say that all is well; zero for never

	inbox   *inbox
	kernel  kernel
	flows   *staleFlows
	policy  *policy
	metrics *metrics
	told    *teller
	logger  *slog.Logger

	snapshot *registry.Snapshot
	ruleset  *rules.Ruleset
	networks []netip.Prefix
	refusals refusalLog

	aside   aside
	canary  canary
	sentry  *sentry
	checks  *healthChecks
	latency *latency
	memory  memory

	reconcile bool          // the next sync is a full one
	failures  int           // syncs that failed in a row
	synced    time.Time     // when the last sync ended
	took      time.Duration // how long it took
	look      *time.Ticker  // stands still while the sentry waits
	nextFull  *time.Timer
	fullAt    time.Time // when that fires
}

// run syncs until ctx ends: a few milliseconds after a change, again after a
// failure, and now and then everything.
func (l *loop) run(ctx context.Context) error {
	l.nextFull = time.NewTimer(0)
	defer l.nextFull.Stop()
	l.fullAfter(l.full)
	defer l.checks.close()
	defer l.flows.wait()
	l.memory.begin()
	defer l.memory.wait()
	l.look = time.NewTicker(pollPeriod)
	defer l.look.Stop()
	defer l.sentry.end()
	recheck := time.NewTicker(recheckPeriod)
	defer recheck.Stop()
	beat := ticks(l.beat)
	defer beat.Stop()
	var due <-chan time.Time // nil while nothing waits
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-beat.C:
			l.told.alive()
			continue
		case <-l.inbox.wake:
			if due == nil {
				due = time.After(l.wait())
			}
			continue
		case <-l.nextFull.C:
			l.reconcile = true
			l.fullAfter(l.full)
		case <-l.sentry.woke:
			l.rouse()
			continue
		case <-l.look.C:
			if !l.tampered(ctx) {
				l.doze()
				continue
			}
			l.reconcile = true
		case <-recheck.C:
			l.checks.retry(ctx)
			l.forget(ctx)
			if l.failures > 0 || !l.policy.look() {
				continue
			}
		case err := <-l.flows.done:
			if err := l.flows.end(err); err != nil {
				l.logger.Warn("some flows may lead to endpoints that are gone; trying again", "err", err)
				continue
			}
			l.forget(ctx)
			continue
		case <-due:
		}
		due = l.attempt(ctx)
	}
}

// forget has the kernel forget flows that still wait for it, unless the kernel
// may lack the rules that they are to follow.
func (l *loop) forget(ctx context.Context) {
	if l.ruleset != nil && !l.reconcile {
		l.flows.begin(ctx, l.ruleset, l.networks)
	}
}

// wait returns how long a change waits for others to go with it. Where syncs
// take less than the pause between them it waits for nothing but that pause.
func (l *loop) wait() time.Duration {
	if l.took < l.min {
		return l.min - time.Since(l.synced)
	}
	return l.min
}

// attempt syncs once. It returns what brings the next attempt: after a failure
// a pause that grows, else nil, for the next change.
func (l *loop) attempt(ctx context.Context) <-chan time.Time {
	start := time.Now()
	err := l.sync(ctx)
	l.synced, l.took = time.Now(), time.Since(start)
	if err == nil || ctx.Err() != nil {
		l.failures = 0
		return nil
	}
	l.failures++
	pause := jitter(min(firstPause<<min(l.failures-1, 10), maxPause))
	l.logger.Error("programming the kernel failed", "err", err, "failures", l.failures, "again_in", pause)
	l.told.status("failing: " + err.Error())
	return time.After(pause)
}

// fullAfter has the next full sync come after about that time.
func (l *loop) fullAfter(d time.Duration) {
	d = jitter(d)
	l.fullAt = time.Now().Add(d)
	l.nextFull.Reset(d)
}

// fullWithin has it come after about that time, unless it comes sooner.
func (l *loop) fullWithin(d time.Duration) {
	if time.Now().Add(d).Before(l.fullAt) {
		l.fullAfter(d)
	}
}

// jitter spreads a period by a tenth either way, so that nodes which started
// together don't work in step.
func jitter(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1) //nolint:gosec // no secret
}

// ticks returns a ticker, which never ticks for the period zero.
func ticks(period time.Duration) *time.Ticker {
	if period > 0 {
		return time.NewTicker(period)
	}
	t := time.NewTicker(time.Hour)
	t.Stop()
	return t
}
