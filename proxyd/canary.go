package proxyd

import (
	"context"
	"time"
)

const (
	// canaryPeriod is how often the loop looks whether others changed rules,
	// once it was told that somebody did; pollPeriod where nobody tells.
	canaryPeriod = 400 * time.Millisecond
	pollPeriod   = 700 * time.Millisecond
	// foreignPause is about how soon all is compared after others changed
	// something, though at first sight all is there.
	foreignPause = 10 * time.Second
	// lookShare, repairShare and foreignShare bound how much of its time the
	// loop spends so, whatever others do: a pause is that many times what it
	// follows, or what it brings.
	lookShare, repairShare, foreignShare = 10, 4, 100
)

// canary is what the loop knows of the rules that others may have changed.
type canary struct {
	// seen is the generation that was looked at, own that after the last sync.
	seen, own uint64
	next      time.Time     // of a look
	fullTook  time.Duration // the last full sync
	repairs   int           // in a row, without a look that found all intact
	failing   bool          // as the log says
	quiet     bool          // the last look found nothing new
}

// marked notes the generation after a sync. Another repair has to wait in
// proportion to a full one, and the longer the less the last ones helped.
func (l *loop) marked(full bool, took time.Duration) {
	g, err := l.kernel.Generation()
	if err != nil {
		return // the next look says so
	}
	c := &l.canary
	if c.own = g; full {
		c.fullTook = took
		c.next = time.Now().Add(max(repairShare*took, min(canaryPeriod<<min(c.repairs, 10), maxPause)))
	}
}

// tampered reports whether others destroyed what stands in the kernel. Where
// they changed something else, all will be compared before long.
func (l *loop) tampered(ctx context.Context) bool {
	c := &l.canary
	c.quiet = false
	if !l.told.ready.Load() || l.reconcile || time.Now().Before(c.next) {
		return false
	}
	g, err := l.kernel.Generation()
	if err == nil && g == c.seen {
		c.failing, c.quiet = false, true
		return false
	}
	start, intact := time.Now(), false
	if err == nil {
		intact, err = l.kernel.Intact(ctx)
	}
	c.next = time.Now().Add(lookShare * time.Since(start))
	if err != nil {
		if !c.failing && ctx.Err() == nil {
			l.logger.Warn("can't tell whether our rules stand; all are compared now and then", "err", err)
		}
		c.failing = true
		return false
	}
	c.failing = false
	return l.judge(g, intact)
}

// judge decides what it means that a new generation is intact or not.
func (l *loop) judge(g uint64, intact bool) bool {
	c := &l.canary
	if !intact {
		c.repairs++
		l.logger.Warn("others changed our rules in the kernel; repairing them")
		l.metrics.repairs.Inc()
		return true
	}
	if c.repairs = 0; g != c.own {
		l.fullWithin(max(foreignPause, foreignShare*c.fullTook))
	}
	c.seen = g
	return false
}
