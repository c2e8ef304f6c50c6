package svcreg

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// model is what the specification says about a registry, written down name by
// name: slow, simple, and sharing nothing with the plugin. Names are in lower
// case, as the DNS library writes them.
type model struct {
	t testing.TB
	// data is what the records of a name and type say, sorted.
	data map[string]map[uint16][]string
	// exists has those names, and all above them.
	exists map[string]bool
}

// newModel returns the model of some manifests in cluster.local and the whole
// reverse tree.
func newModel(t testing.TB, manifests string) *model {
	m := &model{t, map[string]map[uint16][]string{}, map[string]bool{}}
	s := registrytest.Snapshot(t, manifests)
	for o := range s.Objects() {
		if n, ok := o.(*registry.Namespace); ok {
			m.name(n.Name + ".svc.cluster.local.")
			m.name(n.Name + ".cluster.local.")
		}
	}
	for e := range s.Services() {
		m.name(e.Namespace + ".svc.cluster.local.")
		m.name(e.Namespace + ".cluster.local.")
		for _, zone := range []string{"svc.cluster.local.", "cluster.local."} {
			m.service(s, e, e.Name+"."+e.Namespace+"."+zone, zone == "svc.cluster.local.")
		}
	}
	m.add("dns-version.cluster.local.", dns.TypeTXT, `"1.1.0"`)
	m.add("ns.dns.cluster.local.", dns.TypeA, "198.51.100.53")
	for _, zone := range theZones {
		m.add(zone, dns.TypeNS, "ns.dns."+zone)
		m.add(zone, dns.TypeSOA, fmt.Sprintf("ns.dns.%s hostmaster.%s %d 7200 1800 86400 5", zone, zone, s.Revision()))
		m.add("ns.dns."+zone, dns.TypeA, "198.51.100.53")
		m.add("dns-version."+zone, dns.TypeTXT, `"1.1.0"`)
	}
	return m
}

// service adds a service's names; with those of its addresses if they lead to
// this name of it.
func (m *model) service(s *registry.Snapshot, e *registry.Entry, name string, primary bool) {
	switch {
	case e.Type == registry.ExternalName && (len(e.PortalIPs) == 0 || len(e.Ports) == 0):
		if _, err := netip.ParseAddr(e.ExternalName); err != nil {
			m.add(name, dns.TypeCNAME, strings.ToLower(e.ExternalName)+".")
		}
	case e.Headless:
		m.headless(s, e, name, primary)
	case len(e.Ports) > 0:
		for _, addr := range e.PortalIPs {
			m.address(name, addr)
			if primary {
				m.pointer(addr, name)
			}
		}
		for _, p := range e.Ports {
			if p.Name != "" && len(e.PortalIPs) > 0 {
				m.add("_"+p.Name+"._"+strings.ToLower(string(p.Protocol))+"."+name, dns.TypeSRV, fmt.Sprintf("0 100 %d %s", p.Port, name))
			}
		}
	}
}

func (m *model) headless(s *registry.Snapshot, e *registry.Entry, name string, primary bool) {
	srv := map[string]map[string]bool{}
	for _, subset := range e.Subsets {
		for _, endpoint := range subset.Endpoints {
			if !endpoint.Ready && !e.PublishNotReady {
				continue
			}
			host := strings.ToLower(endpoint.Hostname)
			if host == "" {
				host = strings.NewReplacer(".", "-", ":", "-").Replace(endpoint.Addr.String())
			}
			host += "." + name
			m.address(name, endpoint.Addr)
			m.address(host, endpoint.Addr)
			if primary && s.ByPortalIP(endpoint.Addr) == nil {
				m.pointer(endpoint.Addr, host)
			}
			for _, p := range subset.Ports {
				of := func(q registry.Port) bool { return q.Name == p.Name && q.Protocol == p.Protocol }
				if p.Name == "" || len(e.Ports) > 0 && !slices.ContainsFunc(e.Ports, of) {
					continue
				}
				owner := "_" + p.Name + "._" + strings.ToLower(string(p.Protocol)) + "." + name
				if srv[owner] == nil {
					srv[owner] = map[string]bool{}
				}
				srv[owner][fmt.Sprintf("%d %s", p.Port, host)] = true
			}
		}
	}
	for owner, targets := range srv {
		for target := range targets {
			m.add(owner, dns.TypeSRV, fmt.Sprintf("0 %d %s", 100/len(targets), target))
		}
	}
}

func (m *model) address(name string, addr netip.Addr) {
	qtype := dns.TypeAAAA
	if addr.Is4() {
		qtype = dns.TypeA
	}
	m.add(name, qtype, addr.String())
}

func (m *model) pointer(addr netip.Addr, target string) {
	name, err := dns.ReverseAddr(addr.String())
	if err != nil {
		m.t.Fatal(err)
	}
	m.add(name, dns.TypePTR, target)
}

// add adds a record, once.
func (m *model) add(name string, qtype uint16, data string) {
	m.name(name)
	if m.data[name] == nil {
		m.data[name] = map[uint16][]string{}
	}
	all := append(m.data[name][qtype], data)
	slices.Sort(all)
	m.data[name][qtype] = slices.Compact(all)
}

// name makes a name exist, and those above it.
func (m *model) name(name string) {
	for name != "local." && name != "arpa." && name != "." {
		m.exists[name] = true
		_, name, _ = strings.Cut(name, ".")
	}
}

// check compares an answer with what the model says about its question.
func (m *model) check(answer *dns.Msg) {
	q := answer.Question[0]
	name := strings.ToLower(q.Name)
	if !dns.IsSubDomain("cluster.local.", name) && !dns.IsSubDomain("in-addr.arpa.", name) && !dns.IsSubDomain("ip6.arpa.", name) {
		m.want(answer, answer.Rcode == dns.RcodeRefused && len(answer.Answer) == 0, "REFUSED: it is in no zone")
		return
	}
	if q.Qtype == dns.TypeAXFR || q.Qtype == dns.TypeIXFR {
		m.want(answer, answer.Rcode == dns.RcodeRefused && len(answer.Answer) == 0, "REFUSED")
		return
	}
	if cname := m.data[name][dns.TypeCNAME]; cname != nil && q.Qtype != dns.TypeCNAME {
		m.want(answer, len(answer.Answer) > 0 && answer.Answer[0].Header().Rrtype == dns.TypeCNAME, "a CNAME")
		return // what follows is somebody else's
	}
	want := m.data[name][q.Qtype]
	if q.Qtype == dns.TypeANY && len(answer.Answer) > 0 {
		want = m.data[name][answer.Answer[0].Header().Rrtype]
	}
	var got []string
	for _, r := range answer.Answer {
		got = append(got, data(r))
		m.want(answer, r.Header().Name == q.Name, "the owner "+q.Name)
	}
	slices.Sort(got)
	m.want(answer, slices.Equal(got, want) || answer.Truncated && subset(got, want), fmt.Sprint(want))
	m.checkRcode(answer, name)
	for _, r := range answer.Extra {
		if r.Header().Rrtype != dns.TypeOPT {
			m.want(answer, slices.Contains(m.data[strings.ToLower(r.Header().Name)][r.Header().Rrtype], data(r)), "other additional records")
		}
	}
}

// checkRcode says whether the name should exist. In the reverse tree what looks
// like the beginning of an address always does.
func (m *model) checkRcode(answer *dns.Msg, name string) {
	exists := m.exists[name] || beginsAddress(name)
	want := dns.RcodeNameError
	if exists {
		want = dns.RcodeSuccess
	}
	m.want(answer, answer.Rcode == want, dns.RcodeToString[want])
	m.want(answer, len(answer.Answer) > 0 || len(answer.Ns) == 1 && answer.Ns[0].Header().Rrtype == dns.TypeSOA || answer.Truncated, "a SOA record")
}

// beginsAddress reports whether a reverse name is one of less than a whole
// address.
func beginsAddress(name string) bool {
	labels := dns.SplitDomainName(name)
	n := len(labels) - 2
	base, most := 10, 4
	if strings.HasSuffix(name, ".ip6.arpa.") {
		base, most = 16, 32
	} else if !strings.HasSuffix(name, ".in-addr.arpa.") {
		return false
	}
	for _, l := range labels[:n] {
		var v, rest uint
		format := "%d%c"
		if base == 16 {
			format = "%x%c"
		}
		if k, _ := fmt.Sscanf(l, format, &v, &rest); k != 1 || base == 10 && (v > 255 || fmt.Sprint(v) != l) || base == 16 && len(l) != 1 {
			return false
		}
	}
	return n < most
}

func (m *model) want(answer *dns.Msg, ok bool, what string) {
	if !ok {
		m.t.Helper()
		m.t.Errorf("want %s; got %s\nto %q %s", what, text(answer), answer.Question[0].Name, dns.Type(answer.Question[0].Qtype))
	}
}

func subset(of, all []string) bool {
	return !slices.ContainsFunc(of, func(s string) bool { return !slices.Contains(all, s) })
}

// data is what a record says, in lower case.
func data(r dns.RR) string {
	return strings.ToLower(strings.TrimPrefix(r.String(), r.Header().String()))
}
