package external

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// wantTold waits until just that was told since the last time, in any order.
func (f *fleet) wantTold(lines ...string) {
	f.t.Helper()
	e := f.config.Events.(*registrytest.Events)
	slices.Sort(lines)
	f.await(func() string {
		return cmp.Diff(lines, slices.Sorted(slices.Values(e.Lines())))
	})
	e.Forget(len(lines))
}

// What happens to a service's endpoints is told when it happens, and not again
// by the next leader.
func TestEventsOfChecks(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.config.Events = &registrytest.Events{}
	l, at := outsiders(t, 2)
	f.put(svc("web", "10.96.0.1", append(fast, CheckAnnotation, "tcp")...), eps("web", at...))
	f.start()
	f.want("web", at...)
	l[1].Close()
	f.wantTold("Warning my-ns/web Unhealthy " + at[1] + ": connection refused")
	f.stop()
	f.start()
	l[0].Close()
	f.wantTold("Warning my-ns/web Unhealthy "+at[0]+": connection refused",
		"Warning my-ns/web Panic 0 of 2 endpoints pass their checks; all stay in service")
	listen(t, l[0].Addr().String())
	f.wantTold("Normal my-ns/web Healthy "+at[0]+" passes its checks", "Normal my-ns/web PanicOver enough endpoints pass their checks again")
	f.put(eps("web", at[0], "127.0.0.1:80"))
	f.wantTold("Warning my-ns/web AddressRefused 127.0.0.1: a loopback address")
	f.delete(registry.KindService, "web")
	f.want("web", "")
	f.wantTold()
}

func TestEventsOfNames(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.config.Events = &registrytest.Events{}
	f.dns.set("db.example.com. 1 A 192.0.2.1")
	f.put(svc("db", "10.96.0.1"), eps("db", "db.example.com:5432"))
	f.put(svc("self", "10.96.0.2"), eps("self", "self.my-ns.svc.cluster.local:80"))
	f.start()
	f.wantTold("Warning my-ns/self Loop self.my-ns.svc.cluster.local: it leads back to the service itself")
	f.want("db", "192.0.2.1:5432")
	f.dns.fail(dns.RcodeServerFailure)
	f.wantTold("Warning my-ns/db NotResolved db.example.com: " + dns.RcodeToString[dns.RcodeServerFailure] + "; the last good answer stays")
	f.dns.set("db.example.com. 1 A 192.0.2.1", "db.example.com. 1 A 127.0.0.1")
	f.wantTold("Normal my-ns/db Resolved db.example.com is resolved again", "Warning my-ns/db AddressRefused db.example.com is 127.0.0.1: a loopback address")
}

func TestHappened(t *testing.T) {
	passes := netip.MustParseAddrPort("192.0.2.1:80")
	const one, two, panic1 = "failing: 192.0.2.1:80: timeout", "failing: 192.0.2.2:80: timeout", "panic: 1 of 2 endpoints pass"
	for name, tt := range map[string]struct {
		before, after []string
		want          []event
	}{
		"nothing":         {[]string{one, two}, []string{two, one}, nil},
		"a new one":       {[]string{one}, []string{one, two}, []event{{true, "Unhealthy", "192.0.2.2:80: timeout"}}},
		"another reason":  {[]string{one}, []string{"failing: 192.0.2.1:80: refused"}, []event{{true, "Unhealthy", "192.0.2.1:80: refused"}}},
		"good again":      {[]string{one, two}, []string{two}, []event{{false, "Healthy", "192.0.2.1:80 passes its checks"}}},
		"taken out":       {[]string{one, two}, []string{one}, nil},
		"panic goes on":   {[]string{panic1}, []string{"panic: 0 of 2 endpoints pass"}, nil},
		"panic is over":   {[]string{panic1}, nil, []event{{false, "PanicOver", "enough endpoints pass their checks again"}}},
		"name is back":    {[]string{"not resolved: a.example.org: timeout"}, nil, []event{{false, "Resolved", "a.example.org is resolved again"}}},
		"name is gone":    {[]string{"not resolved: b.example.org: timeout"}, nil, nil},
		"many":            {nil, []string{"and 7 more"}, nil},
		"something else":  {nil, []string{"not used: because"}, []event{{true, "Remark", "not used: because"}}},
		"bad annotation":  {nil, []string{"not checked: x"}, []event{{true, "NotChecked", "x"}}},
		"no address":      {nil, []string{"no portal IP: full"}, []event{{true, "NoPortalIP", "full"}}},
		"what was before": {[]string{"refused: 0.0.0.0: no"}, nil, nil},
	} {
		got := happened(tt.before, tt.after, map[netip.AddrPort]bool{passes: true}, map[string]bool{"a.example.org": true})
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(event{})); diff != "" {
			t.Errorf("%s: (-want +got):\n%s", name, diff)
		}
	}
}

// What is refused in endpoints that their users wrote, and that stay as they
// are, is told too; once, and again when somebody writes it again.
func TestEventsOfPlainEndpoints(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	f.config.Events = &registrytest.Events{}
	f.put(svc("web", "10.96.0.1"), eps("web", "192.0.2.1:80", "127.0.0.1:80"), svc("other", "10.96.0.2"), eps("other", "10.96.0.1:80"))
	f.put(svc("slice", "10.96.0.3"), `{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"name":"mine","namespace":"my-ns",
		"labels":{"kubernetes.io/service-name":"slice"}},"addressType":"IPv4","endpoints":[{"addresses":["224.0.0.1"]},{"addresses":["192.0.2.1"]}],"ports":[{"port":80}]}`)
	f.start()
	f.wantTold("Warning my-ns/web AddressRefused 127.0.0.1: a loopback address",
		"Warning my-ns/other AddressRefused 10.96.0.1: the portal IP of my-ns/web",
		"Warning my-ns/slice AddressRefused 224.0.0.1: a multicast address")
	f.put(eps("web", "192.0.2.2:80", "127.0.0.1:80", "0.0.0.0:80"))
	f.wantTold("Warning my-ns/web AddressRefused 0.0.0.0: an unspecified address")
	f.put(eps("web", "192.0.2.2:80"))
	f.await(func() string {
		if got := f.refused(); got != 2 {
			return fmt.Sprintf("%v refused, want 2", got)
		}
		return ""
	})
	f.put(eps("web", "127.0.0.1:80"))
	f.wantTold("Warning my-ns/web AddressRefused 127.0.0.1: a loopback address")
	for _, name := range []string{"web", "other", "slice"} {
		f.want(name, "")
	}
}

// refused returns how many addresses are, as the metrics say.
func (f *fleet) refused() float64 {
	f.t.Helper()
	return registrytest.Metric(f.t, f.metrics.endpoints.WithLabelValues("refused"))
}
