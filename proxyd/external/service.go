package external

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// mostRemarks is how many remarks a slice has at most.
const mostRemarks = 50

// service is one that concerns us.
type service struct {
	key          registry.Key
	source       *source // nil until it was read
	hosts        map[string]bool
	checks       map[target]*checked
	stale, dirty bool   // has to be read, has to be written
	busy         bool   // is being read or written
	retry        *entry // it waits until then
	pause        time.Duration
	said         string         // of what failed last
	written      []registry.Key // slices that the snapshot may not have yet
	panicking    bool
	refused      []string // remarks on what is refused
	unlifted     string   // why it can't have a portal IP
	relift       *entry   // when that is tried again
	counted      [3]int   // what it adds to the metrics
}

// hosts returns the names that endpoints are given by.
func (src *source) hosts() map[string]bool {
	set := map[string]bool{}
	for _, subset := range src.subsets {
		for _, e := range subset.Endpoints {
			if e.Host != "" {
				set[e.Host] = true
			}
		}
	}
	return set
}

// names returns the answers that another leader wrote down.
func (src *source) names() map[string][]netip.Addr {
	all := map[string][]netip.Addr{}
	for _, slice := range src.own {
		maps.Copy(all, Names(slice))
	}
	return all
}

// publish writes a service's slices, if they aren't as they should be.
func (c *controller) publish(ctx context.Context, s *service) {
	s.dirty = false
	if c.unasked(s) {
		return // the answer will make it dirty
	}
	c.later(s, settle+time.Duration(len(s.checks))*settleEach)
	want := c.desired(ctx, s)
	changes := differences(s.source.own, want)
	changes.service, changes.condition = s.key, s.condition()
	if changes.empty() && c.liftable(s, want) {
		c.lift(ctx, s)
		return
	}
	if changes.empty() {
		s.pause, s.said = 0, ""
		if len(want) == 0 && !s.stale && len(s.refused) == 0 {
			c.forget(s)
		}
		return
	}
	s.written = nil
	for _, slice := range want {
		s.written = append(s.written, slice.Key)
	}
	before := s.source.own
	c.job(ctx, s, func(ctx context.Context) error { return c.store.write(ctx, changes) }, func() {
		c.tell(s, before, want)
		// Of what was written the revisions matter, for the next time.
		s.stale, s.pause, s.said = true, 0, ""
		c.metrics.writes.Inc()
	})
}

// unasked reports whether a name has never been asked for: whoever starts waits
// for the names, so that what was said of them stays if it still holds.
func (c *controller) unasked(s *service) bool {
	for host := range s.hosts {
		if n := c.names[host]; n != nil && !n.asked {
			return true
		}
	}
	return false
}

// slices returns the keys of the slices that a service may have.
func (s *service) slices(snapshot *registry.Snapshot) []registry.Key {
	all := slices.Clone(s.written)
	for slice := range snapshot.Slices(s.key) {
		if !slices.Contains(all, slice.Key) {
			all = append(all, slice.Key)
		}
	}
	return all
}

// desired returns the slices that a service should have.
func (c *controller) desired(ctx context.Context, s *service) []*registry.Endpoints {
	src := s.source
	if s.isPlain() {
		c.check(ctx, s, nil)
		c.alarm(s, false, 0, 0)
		c.plain(s)
		return nil
	}
	x := expand(src,
		func(host string) ([]netip.Addr, string) { return c.resolve(s, host) },
		func(a netip.Addr) string { return Refused(c.snapshot, a) })
	c.check(ctx, s, x)
	remarks := slices.Concat(x.remarks, c.refusals(src.others), c.judge(s, x))
	s.refused = slices.DeleteFunc(slices.Clone(remarks), func(remark string) bool { return !strings.HasPrefix(remark, refusal) })
	if s.unlifted != "" {
		remarks = append(remarks, "no portal IP: "+s.unlifted)
	}
	names := map[string][]netip.Addr{}
	for host := range s.hosts {
		if n := c.names[host]; n != nil && len(n.all()) > 0 {
			names[host] = n.all()
		}
	}
	if remarks = shorten(remarks, mostRemarks); !src.selected {
		return slicesOf(s.key, x.groups, remarks, names)
	}
	told := slicesOf(s.key, nil, remarks, nil)
	told[0].Annotations[FailingAnnotation] = x.verdict()
	return told
}

// judge takes out of service those that fail their checks, unless too many do.
// It returns what there is to say.
func (c *controller) judge(s *service, x *expansion) []string {
	var out []*outside
	var remarks []string
	passing, all := 0, 0
	for i := range x.groups {
		g := &x.groups[i]
		for j := range g.endpoints {
			e := &g.endpoints[j]
			t, checkable := s.source.target(g, e)
			if !checkable || !e.Ready {
				continue
			}
			all++
			if one := s.checks[t]; one.up {
				passing++
			} else {
				out = append(out, e)
				remarks = append(remarks, failing(t.addr, one.reason))
			}
		}
	}
	inPanic := s.source.check != nil && len(out) > 0 && panics(passing, all, c.PanicShare)
	c.alarm(s, inPanic, passing, all)
	c.metrics.count(s, passing, len(out), x.refused)
	slices.Sort(remarks)
	if inPanic {
		return append([]string{fmt.Sprintf("panic: %d of %d endpoints pass their checks; all stay in service", passing, all)}, remarks...)
	}
	for _, e := range out {
		e.Ready, e.Serving, e.out = false, false, true
	}
	return remarks
}

// alarm notes whether all of a service's endpoints stay in although they fail,
// and says so aloud when that changes.
func (c *controller) alarm(s *service, now bool, passing, all int) {
	if now == s.panicking {
		return
	}
	if s.panicking = now; now {
		c.metrics.panics.Inc()
		c.logger.Error("so many endpoints of a service fail their checks that all stay in", "service", s.key, "passing", passing, "of", all)
		return
	}
	c.metrics.panics.Dec()
	c.logger.Info("enough endpoints of a service pass their checks again", "service", s.key, "passing", passing, "of", all)
}
