package svcreg

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/svcreg/svcreg/registry"
)

// where says which stanza of which server block a follower is for.
type where struct{ server, zone, view, registry string }

// runningFollowers are those at work, one for each stanza: while CoreDNS
// reloads there are two for a moment, and the newer one counts. It is a prometheus.Collector.
type runningFollowers struct {
	mu  sync.Mutex
	all map[where]*follower
}

// running is what the metrics report on.
var running = &runningFollowers{all: map[where]*follower{}}

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

// list returns the followers in charge.
func (r *runningFollowers) list() []*follower {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.all))
}

func newDesc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(plugin.Namespace, pluginName, name), help,
		append([]string{"server", "zone", "view", "registry"}, labels...), nil)
}

var (
	objectsDesc  = newDesc("objects", "Gauge of the objects known of the registry.", "kind")
	revisionDesc = newDesc("revision", "Gauge of the etcd revision that is answered from.")
	syncedDesc   = newDesc("synced", "Gauge of whether the registry is being followed in etcd (1) or not (0).")
	ageDesc      = newDesc("last_contact_seconds", "Gauge of the seconds since etcd last answered.")
	listsDesc    = newDesc("lists_total", "Counter of the complete lists taken from etcd.")
	eventsDesc   = newDesc("events_total", "Counter of the changes seen in etcd.")
	decodeDesc   = newDesc("decode_failures_total", "Counter of the values in etcd that could not be decoded.", "kind")
	badDesc      = newDesc("undecodable_objects", "Gauge of the values in etcd now that can not be decoded.")
	saveDesc     = newDesc("snapshot_errors_total", "Counter of the failures to save or load the snapshot file.")
)

// Describe implements prometheus.Collector.
func (*runningFollowers) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		objectsDesc, revisionDesc, syncedDesc, ageDesc, listsDesc, eventsDesc, decodeDesc, badDesc, saveDesc,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (r *runningFollowers) Collect(ch chan<- prometheus.Metric) {
	for _, f := range r.list() {
		f.collect(ch)
	}
}

func (f *follower) collect(ch chan<- prometheus.Metric) {
	metric := func(d *prometheus.Desc, t prometheus.ValueType, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, t, v, append([]string{f.where.server, f.where.zone, f.where.view, f.where.registry}, labels...)...)
	}
	s := f.watcher.Status()
	synced := 0.0
	if s.Synced {
		synced = 1
	}
	metric(syncedDesc, prometheus.GaugeValue, synced)
	metric(revisionDesc, prometheus.GaugeValue, float64(s.Revision))
	if !s.LastContact.IsZero() {
		metric(ageDesc, prometheus.GaugeValue, time.Since(s.LastContact).Seconds())
	}
	metric(listsDesc, prometheus.CounterValue, float64(s.Lists))
	metric(eventsDesc, prometheus.CounterValue, float64(s.Events))
	metric(badDesc, prometheus.GaugeValue, float64(s.Undecodable))
	metric(saveDesc, prometheus.CounterValue, float64(s.SnapshotErrors))
	snapshot := f.watcher.Snapshot()
	if snapshot == nil {
		snapshot = &registry.Snapshot{}
	}
	for _, k := range f.options.kinds() {
		metric(objectsDesc, prometheus.GaugeValue, float64(snapshot.Count(k)), k.String())
		metric(decodeDesc, prometheus.CounterValue, float64(s.DecodeFailures[k]), k.String())
	}
}
