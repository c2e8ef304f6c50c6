package svcreg

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/watch"
)

// where says which stanza of which server block a follower is for.
type where struct{ server, zone, view, registry string }

// labelNames returns the names of the labels that all metrics have, and of
// others.
func labelNames(more ...string) []string {
	return append([]string{"server", "zone", "view", "registry"}, more...)
}

// labels returns the values of the labels that all metrics have, and of
// others.
func (w where) labels(more ...string) []string {
	return append([]string{w.server, w.zone, w.view, w.registry}, more...)
}

// runningFollowers are those at work, one for each stanza: while CoreDNS
// reloads there are two for a moment, and the newer one counts. It is a
// prometheus.Collector.
type runningFollowers struct {
	mu      sync.Mutex
	all     map[where]*follower
	tallies map[where]*tally // also of those that were at work once
}

// running is what the metrics report on.
var running = &runningFollowers{all: map[where]*follower{}, tallies: map[where]*tally{}}

// add puts a follower in charge of its stanza, and returns the one that was
// until now.
func (r *runningFollowers) add(f *follower) (before *follower) {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, r.all[f.where] = r.all[f.where], f
	return before
}

// remove takes a follower out, unless another one is in charge already.
func (r *runningFollowers) remove(f *follower) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all[f.where] == f {
		delete(r.all, f.where)
	}
}

// tally returns what was counted for a stanza, to count on.
func (r *runningFollowers) tally(w where) *tally {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.tallies[w] == nil {
		r.tallies[w] = newTally()
	}
	return r.tallies[w]
}

// list returns the followers in charge.
func (r *runningFollowers) list() []*follower {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.all))
}

func newDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(plugin.Namespace, pluginName, name), help,
		labelNames(labels...), nil)
}

var (
	objectsDesc  = newDesc("objects", "Gauge of the objects known of the registry.", "kind")
	revisionDesc = newDesc("revision", "Gauge of the etcd revision that is answered from.")
	syncedDesc   = newDesc("synced", "Gauge of whether the registry is being followed in etcd (1) or not (0).")
	contactDesc  = newDesc("last_contact_seconds", "Gauge of the seconds since etcd last answered.")
	listsDesc    = newDesc("lists_total", "Counter of the complete lists taken from etcd.")
	eventsDesc   = newDesc("events_total", "Counter of the changes seen in etcd.")
	decodeDesc   = newDesc("decode_failures_total", "Counter of the values in etcd that could not be decoded.", "kind")
	badDesc      = newDesc("undecodable_objects", "Gauge of the values in etcd now that can not be decoded.")
	requestsDesc = newDesc("requests_total", "Counter of the requests by what became of them.", "answer")
	ageDesc      = newDesc("snapshot_age_seconds", "Gauge of the seconds since what is answered was last known to be what etcd holds.")
	fileAgeDesc  = newDesc("snapshot_file_age_seconds", "Gauge of the seconds since the snapshot file was written.")
	restartsDesc = newDesc("watch_restarts_total", "Counter of the times that etcd was lost track of.")
	saveDesc     = newDesc("snapshot_errors_total", "Counter of the failures to save or load the snapshot file.")
)

// Describe implements prometheus.Collector.
func (*runningFollowers) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		objectsDesc, revisionDesc, syncedDesc, contactDesc, ageDesc, fileAgeDesc, listsDesc, restartsDesc, eventsDesc,
		decodeDesc, badDesc, saveDesc, requestsDesc,
	} {
		ch <- d
	}
	newProgramming().Describe(ch)
}

// Collect implements prometheus.Collector.
func (r *runningFollowers) Collect(ch chan<- prometheus.Metric) {
	for _, f := range r.list() {
		f.collect(ch)
	}
}

// collector sends metrics about one stanza.
type collector struct {
	where
	ch chan<- prometheus.Metric
}

func (c collector) gauge(d *prometheus.Desc, v float64, labels ...string) {
	c.ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, c.labels(labels...)...)
}

func (c collector) count(d *prometheus.Desc, n uint64, labels ...string) {
	c.ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(n), c.labels(labels...)...)
}

// age sends the seconds since a time; nothing if that never came.
func (c collector) age(d *prometheus.Desc, t time.Time) {
	if !t.IsZero() {
		c.gauge(d, time.Since(t).Seconds())
	}
}

func (f *follower) collect(ch chan<- prometheus.Metric) {
	c := collector{f.where, ch}
	f.collectStatus(c)
	snapshot := &registry.Snapshot{}
	if x := f.stanza.index.Load(); x != nil {
		snapshot = x.snapshot
	}
	c.gauge(revisionDesc, float64(snapshot.Revision()))
	for _, k := range f.options.kinds() {
		c.gauge(objectsDesc, float64(snapshot.Count(k)), k.String())
	}
	tally := f.stanza.tally
	for i := range tally.requests {
		c.count(requestsDesc, tally.requests[i].Load(), outcomes[i])
	}
	tally.programming.Collect(ch)
}

// collectStatus sends what is to be said about following etcd.
func (f *follower) collectStatus(c collector) {
	s := f.watcher.Status()
	synced := 0.0
	if s.Synced {
		synced = 1
	}
	c.gauge(syncedDesc, synced)
	c.age(contactDesc, s.LastContact)
	c.age(ageDesc, f.current(s))
	c.age(fileAgeDesc, s.SnapshotSaved)
	c.count(listsDesc, s.Lists)
	c.count(restartsDesc, s.WatchRestarts)
	c.count(eventsDesc, s.Events)
	c.gauge(badDesc, float64(s.Undecodable))
	c.count(saveDesc, s.SnapshotErrors)
	for _, k := range f.options.kinds() {
		c.count(decodeDesc, s.DecodeFailures[k], k.String())
	}
}

// current returns when what is answered was last known to be what etcd holds;
// zero if nothing is known.
func (f *follower) current(s watch.Status) time.Time {
	if inherited := f.inherited.Load(); s.Current.IsZero() && inherited != nil {
		return *inherited
	}
	return s.Current
}
