package external

import (
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/svcreg/svcreg/registry"
)

// Events are told what people should know of a service. They keep nobody
// waiting.
type Events interface {
	Normal(service registry.Key, reason, message string)
	Warning(service registry.Key, reason, message string)
}

// reasons are those of events, by what the remarks begin with that are new.
var reasons = []struct{ remark, reason string }{
	{"failing: ", "Unhealthy"},
	{"panic: ", "Panic"},
	{refusal, "AddressRefused"},
	{"not resolved: ", "NotResolved"},
	{"not checked: ", "NotChecked"},
	{"no portal IP: ", "NoPortalIP"},
}

// loopEvent is the reason of an event about a name that loops.
const loopEvent = "Loop"

// event is what Events are told.
type event struct {
	warning         bool
	reason, message string
}

// tell tells of what was written about a service. What stood there before, by
// this leader or another, was told then.
func (c *controller) tell(s *service, before map[string]*registry.Endpoints, after []*registry.Endpoints) {
	if c.Events == nil {
		return
	}
	for _, e := range happened(allRemarks(maps.Values(before)), allRemarks(slices.Values(after)), s.passing(), s.hosts) {
		if e.warning {
			c.Events.Warning(s.key, e.reason, e.message)
		} else {
			c.Events.Normal(s.key, e.reason, e.message)
		}
	}
}

func allRemarks(all iter.Seq[*registry.Endpoints]) []string {
	var remarks []string
	for slice := range all {
		remarks = append(remarks, Remarks(slice)...)
	}
	return remarks
}

// passing returns the endpoints that pass their checks.
func (s *service) passing() map[netip.AddrPort]bool {
	all := map[netip.AddrPort]bool{}
	for t, one := range s.checks {
		if one.up {
			all[t.addr] = true
		}
	}
	return all
}

// happened returns what there is to tell when a service's remarks change: each
// new one, and what was wrong and is good again. What is gone altogether, such
// as an endpoint that was taken out, is none of that.
func happened(before, after []string, passing map[netip.AddrPort]bool, hosts map[string]bool) []event {
	var all []event
	for _, remark := range after {
		if e := eventOf(remark); e.reason != "" && !slices.Contains(before, remark) && (e.reason != "Panic" || !has(before, "panic: ")) {
			all = append(all, e)
		}
	}
	for _, remark := range before {
		if at, _, ok := splitFailing(remark); ok && passing[at] && !has(after, "failing: "+at.String()+": ") {
			all = append(all, event{reason: "Healthy", message: at.String() + " passes its checks"})
		}
	}
	if has(before, "panic: ") && !has(after, "panic: ") && len(passing) > 0 {
		all = append(all, event{reason: "PanicOver", message: "enough endpoints pass their checks again"})
	}
	for host := range hosts {
		if text := "not resolved: " + host + ": "; has(before, text) && !has(after, text) {
			all = append(all, event{reason: "Resolved", message: host + " is resolved again"})
		}
	}
	return all
}

// has reports whether one of some remarks begins with a text.
func has(remarks []string, text string) bool {
	return slices.ContainsFunc(remarks, func(remark string) bool { return strings.HasPrefix(remark, text) })
}

// eventOf returns what to tell of a remark; nothing of those that say how many
// others there are.
func eventOf(remark string) event {
	if strings.HasSuffix(remark, ": "+loopReason) {
		return event{true, loopEvent, strings.TrimPrefix(remark, refusal)}
	}
	for _, r := range reasons {
		if text, ok := strings.CutPrefix(remark, r.remark); ok {
			return event{true, r.reason, text}
		}
	}
	if strings.HasPrefix(remark, "and ") {
		return event{}
	}
	return event{true, "Remark", remark}
}
