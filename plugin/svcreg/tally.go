package svcreg

import (
	"sync/atomic"
	"time"

	"github.com/coredns/coredns/plugin"
	"github.com/miekg/dns"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/svcreg/svcreg/registry"
)

// tally is what a stanza counts. It outlives the stanza: the one that takes
// its place after a reload counts on.
type tally struct {
	requests [numOutcomes]atomic.Uint64
	// programming is how long changes took until they were served.
	programming *prometheus.HistogramVec
}

func newTally() *tally { return &tally{programming: newProgramming()} }

// outcome is what became of a request.
type outcome uint8

const (
	withRecords outcome = iota
	withoutData         // the name exists, but no such record
	withoutName         // the name does not exist
	failed              // nobody can say
	refused             // nothing that is answered here
	passedOn            // to the next stanza or plugin
	numOutcomes
)

// outcomes are the values of the label "answer".
var outcomes = [numOutcomes]string{"records", "nodata", "nxdomain", "servfail", "refused", "fallthrough"}

func (t *tally) count(o outcome) { t.requests[o].Add(1) }

// outcomeOf returns what became of a request that is answered with a message.
func outcomeOf(m *dns.Msg) outcome {
	switch {
	case m.Rcode == dns.RcodeNameError:
		return withoutName
	case m.Rcode != dns.RcodeSuccess:
		return failed
	case len(m.Answer) == 0:
		return withoutData
	}
	return withRecords
}

// newProgramming returns a histogram from a quarter of a millisecond to two
// minutes.
func newProgramming() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Namespace:                   plugin.Namespace,
		Subsystem:                   pluginName,
		Name:                        "dns_programming_duration_seconds",
		Buckets:                     prometheus.ExponentialBuckets(0.00025, 2, 20),
		NativeHistogramBucketFactor: plugin.NativeHistogramBucketFactor,
		Help:                        "Histogram of the time (in seconds) from a change to its being served.",
	}, labelNames("service_kind"))
}

// measure notes how long it took until changes to a registry were served. They
// had arrived at some time.
func (f *follower) measure(before *registry.Snapshot, changes []registry.Change, received time.Time) {
	now, after := time.Now(), f.watcher.Snapshot()
	for _, c := range changes {
		s := served(c, before, after)
		if s == nil || !f.stanza.filter.service(s) || !f.stanza.filter.namespace(after, s.Namespace) {
			continue // nothing that is served
		}
		begun := c.Begun(before, f.started, received)
		f.stanza.tally.programming.WithLabelValues(f.where.labels(serviceKind(s))...).Observe(now.Sub(begun).Seconds())
	}
}

// served returns the service that a change is about, as it is now or was until
// now; nil if there is none.
func served(c registry.Change, before, after *registry.Snapshot) *registry.Service {
	o := c.Object
	if o == nil {
		o = before.Object(c.Ref)
	}
	var k registry.Key
	switch o := o.(type) {
	case *registry.Service:
		k = o.Key
	case *registry.Endpoints:
		k = o.Service
	default:
		return nil
	}
	if s := after.Spec(k); s != nil {
		return s
	}
	return before.Spec(k)
}

// serviceKind returns what upstream calls a kind of service; nothing for none.
func serviceKind(s *registry.Service) string {
	switch {
	case s == nil:
		return ""
	case s.IsAlias():
		return "external_name"
	case !s.Headless:
		return "cluster_ip"
	case s.Selector != nil:
		return "headless_with_selector"
	}
	return "headless_without_selector"
}
