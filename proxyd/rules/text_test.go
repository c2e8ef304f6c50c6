package rules

import (
	"net/netip"
	"testing"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// The text of a rule is a contract with golden files and with people.
func TestText(t *testing.T) {
	backends := []Backend{{netip.MustParseAddrPort("10.1.0.1:8080"), 1}, {netip.MustParseAddrPort("10.1.0.2:8080"), 3}}
	rule := Rule{
		Frontend: Frontend{netip.MustParseAddr("192.0.2.1"), registry.TCP, 80}, Service: key("web"), PortName: "http",
		Target: Target{Backends: backends}, Outside: &Target{Backends: backends[:1]}, Affinity: 3 * time.Hour, External: true,
		Sources: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("198.51.100.0/24")},
	}
	for _, tt := range []struct {
		change func(*Rule)
		want   string
	}{
		{func(*Rule) {}, "192.0.2.1:80/TCP ns/web:http external from 10.0.0.0/8,198.51.100.0/24 affinity 3h0m0s → 10.1.0.1:8080 10.1.0.2:8080*3; outside → 10.1.0.1:8080"},
		{func(r *Rule) { r.Outside = &Target{Drop: true} },
			"192.0.2.1:80/TCP ns/web:http external from 10.0.0.0/8,198.51.100.0/24 affinity 3h0m0s → 10.1.0.1:8080 10.1.0.2:8080*3; outside → drop"},
		{func(r *Rule) { r.Outside, r.Sources, r.Affinity = nil, nil, 0 }, "192.0.2.1:80/TCP ns/web:http external → 10.1.0.1:8080 10.1.0.2:8080*3"},
		{func(r *Rule) { *r = Rule{Frontend: r.Frontend.everywhere(), Service: r.Service} }, "0.0.0.0:80/TCP ns/web → refuse"},
		{func(r *Rule) { *r = Rule{Frontend: r.Frontend, Service: r.Service, Target: Target{Drop: true}} }, "192.0.2.1:80/TCP ns/web → drop"},
	} {
		r := rule
		tt.change(&r)
		if r.String() != tt.want {
			t.Errorf("got  %v\nwant %s", r, tt.want)
		}
	}
}

// Rules differ when any of their parts does.
func TestEqual(t *testing.T) {
	backends := []Backend{{netip.MustParseAddrPort("10.1.0.1:8080"), 1}}
	make := func() Rule {
		return Rule{
			Frontend: Frontend{netip.MustParseAddr("192.0.2.1"), registry.TCP, 80}, Service: key("web"), PortName: "http",
			Target: Target{Backends: backends}, Outside: &Target{Backends: backends}, Affinity: time.Hour, External: true,
			Sources: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		}
	}
	if !make().Equal(make()) {
		t.Error("a rule differs from itself")
	}
	for name, change := range map[string]func(*Rule){
		"address":         func(r *Rule) { r.Addr = netip.IPv4Unspecified() },
		"protocol":        func(r *Rule) { r.Protocol = registry.UDP },
		"port":            func(r *Rule) { r.Port++ },
		"service":         func(r *Rule) { r.Service.Name = "other" },
		"port's name":     func(r *Rule) { r.PortName = "" },
		"backends":        func(r *Rule) { r.Backends = nil },
		"weights":         func(r *Rule) { r.Backends = []Backend{{backends[0].AddrPort, 2}} },
		"drop":            func(r *Rule) { r.Drop = true },
		"nobody outside":  func(r *Rule) { r.Outside = nil },
		"others outside":  func(r *Rule) { r.Outside = &Target{} },
		"dropped outside": func(r *Rule) { r.Outside = &Target{Backends: backends, Drop: true} },
		"affinity":        func(r *Rule) { r.Affinity++ },
		"external":        func(r *Rule) { r.External = false },
		"sources":         func(r *Rule) { r.Sources = nil },
	} {
		r := make()
		change(&r)
		if r.Equal(make()) || make().Equal(r) {
			t.Errorf("%s makes no difference", name)
		}
	}
}
