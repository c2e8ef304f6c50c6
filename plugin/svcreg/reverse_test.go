package svcreg

import (
	"net/netip"
	"testing"

	"github.com/miekg/dns"
)

func ptr(name string, targets ...string) string {
	var l []string
	for _, target := range targets {
		l = append(l, name+" 5 IN PTR "+target)
	}
	return lines(l...)
}

func TestReverse(t *testing.T) {
	const (
		v6Portal   = "2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa."
		v6Endpoint = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa."
	)
	none := func(zone string) string { return "NXDOMAIN aa\nns: " + soaOf(zone) }
	hollow := func(zone string) string { return "NOERROR aa\nns: " + soaOf(zone) }
	run(t, loaded(t, theZones...), []question{
		{"11.0.0.10.in-addr.arpa.", dns.TypePTR, ptr("11.0.0.10.in-addr.arpa.", "my-service.my-ns.svc.cluster.local.")},
		{"11.0.0.10.in-addr.arpa.", dns.TypeA, hollow("in-addr.arpa.")},
		{v6Portal, dns.TypePTR, ptr(v6Portal, "dual.my-ns.svc.cluster.local.")},

		{"2.2.0.192.in-addr.arpa.", dns.TypePTR, ptr("2.2.0.192.in-addr.arpa.", "192-0-2-2.web.my-ns.svc.cluster.local.")},
		{v6Endpoint, dns.TypePTR, ptr(v6Endpoint, "web-0.web.my-ns.svc.cluster.local.")},
		{"30.2.0.192.in-addr.arpa.", dns.TypePTR, ptr("30.2.0.192.in-addr.arpa.",
			"one.shared-a.my-ns.svc.cluster.local.", "192-0-2-30.shared-b.my-ns.svc.cluster.local.")},

		{"3.2.0.192.in-addr.arpa.", dns.TypePTR, none("in-addr.arpa.")}, // not ready
		{"9.9.9.9.in-addr.arpa.", dns.TypePTR, none("in-addr.arpa.")},
		{"x.11.0.0.10.in-addr.arpa.", dns.TypePTR, none("in-addr.arpa.")},
		{"011.0.0.10.in-addr.arpa.", dns.TypePTR, none("in-addr.arpa.")},
		{"256.0.0.10.in-addr.arpa.", dns.TypePTR, none("in-addr.arpa.")},
		{"f" + v6Portal, dns.TypePTR, none("ip6.arpa.")},

		// Resolvers that minimise names (RFC 9156) ask for what is on the way.
		{"10.in-addr.arpa.", dns.TypeNS, hollow("in-addr.arpa.")},
		{"0.0.10.in-addr.arpa.", dns.TypeA, hollow("in-addr.arpa.")},
		{"d.f.ip6.arpa.", dns.TypeA, hollow("ip6.arpa.")},
		{"in-addr.arpa.", dns.TypeSOA, lines(soaOf("in-addr.arpa."))},
		{"ip6.arpa.", dns.TypeNS, lines("ip6.arpa. 5 IN NS ns.dns.ip6.arpa.", "extra: ns.dns.ip6.arpa. 5 IN A 198.51.100.53")},
	})
}

// Every address is found under the name that the DNS library gives it.
func FuzzParseReverse(f *testing.F) {
	f.Add([]byte{10, 0, 0, 11})
	f.Add([]byte{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, bytes []byte) {
		addr, ok := netip.AddrFromSlice(bytes)
		if !ok || addr.Is4In6() {
			t.Skip()
		}
		name, err := dns.ReverseAddr(addr.String())
		if err != nil {
			t.Fatal(err)
		}
		labels, v4, ok := cutArpa(name)
		parse := parseReverse6
		if v4 {
			parse = parseReverse4
		}
		got, whole, valid := parse(labels)
		if got != addr || !whole || !valid || !ok {
			t.Errorf("%s: got %v, whole %v, valid %v, reverse %v; want %v", name, got, whole, valid, ok, addr)
		}
	})
}
