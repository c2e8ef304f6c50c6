package svcreg

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	_ "github.com/coredns/coredns/plugin/bufsize"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/dns64"
	_ "github.com/coredns/coredns/plugin/header"
	_ "github.com/coredns/coredns/plugin/loadbalance"
	_ "github.com/coredns/coredns/plugin/local"
	_ "github.com/coredns/coredns/plugin/minimal"
	_ "github.com/coredns/coredns/plugin/nsid"
	"github.com/coredns/coredns/plugin/pkg/dnstest"
	_ "github.com/coredns/coredns/plugin/rewrite"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

// inFront returns a handler with other plugins in front of it, the last one
// next to it.
func inFront(t *testing.T, h plugin.Handler, stanzas ...string) plugin.Handler {
	t.Helper()
	for i := len(stanzas) - 1; i >= 0; i-- {
		name, _, _ := strings.Cut(stanzas[i], " ")
		setup, err := caddy.DirectiveAction("dns", name)
		if err != nil {
			t.Fatal(err)
		}
		c := caddy.NewTestController("dns", stanzas[i])
		c.ServerBlockKeys = []string{"dns://.:53"}
		if err := setup(c); err != nil {
			t.Fatal(err)
		}
		for _, p := range dnsserver.GetConfig(c).Plugin {
			h = p(h)
		}
	}
	return h
}

// askThrough asks as a server does: the answer is cut to the client's size, and
// packed.
func askThrough(t *testing.T, h plugin.Handler, name string, qtype uint16) *dns.Msg {
	r := new(dns.Msg).SetQuestion(name, qtype)
	r.SetEdns0(1232, false)
	rec := dnstest.NewRecorder(&test.ResponseWriter{})
	if _, err := h.ServeDNS(t.Context(), request.NewScrubWriter(r, rec), r); err != nil || rec.Msg == nil {
		t.Errorf("%s: answer %v, error %v", name, rec.Msg, err)
		return nil
	}
	if _, err := rec.Msg.Pack(); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return rec.Msg
}

// mixed returns a name in mixed case, as careful resolvers write it.
func mixed(name string) string {
	if rand.IntN(2) == 0 {
		return name
	}
	return strings.Map(func(r rune) rune {
		if rand.IntN(2) == 0 {
			return []rune(strings.ToUpper(string(r)))[0]
		}
		return r
	}, name)
}

// Whatever stands in front of the plugin, nobody writes to the records that
// all answers share. (The race detector is the other half of this test.)
func TestNobodyWritesToSharedRecords(t *testing.T) {
	questions := []question{
		{"web.my-ns.svc.cluster.local.", dns.TypeA, ""},
		{"web.my-ns.cluster.local.", dns.TypeAAAA, ""},
		{"_http._tcp.web.my-ns.svc.cluster.local.", dns.TypeSRV, ""},
		{"dual.my-ns.svc.cluster.local.", dns.TypeA, ""},
		{"nothing.my-ns.svc.cluster.local.", dns.TypeA, ""},
		{"cluster.local.", dns.TypeNS, ""},
		{"11.0.0.10.in-addr.arpa.", dns.TypePTR, ""},
		{"external.my-ns.svc.cluster.local.", dns.TypeA, ""},
	}
	for _, front := range [][]string{
		{"loadbalance"},
		{"cache 1"},
		{"rewrite name suffix .example.org .cluster.local answer auto", "rewrite ttl suffix cluster.local 99"},
		{"header {\nresponse set ra\n}"},
		{"minimal"},
		{"nsid", "bufsize 1232", "local", "dns64"},
		{"nsid", "bufsize 1232", "loadbalance", "rewrite ttl suffix cluster.local 99", "cache 1", "header {\nresponse set ra\n}", "minimal"},
	} {
		t.Run(strings.Join(front, ", "), func(t *testing.T) {
			h := loaded(t, theZones...)
			before := dump(h.index.Load())
			chain := inFront(t, h, front...)
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					for i := range 200 {
						q := questions[i%len(questions)]
						askThrough(t, chain, mixed(q.name), q.qtype)
					}
				})
			}
			wg.Wait()
			if diff := cmp.Diff(before, dump(h.index.Load())); diff != "" {
				t.Errorf("index (-before +after):\n%s", diff)
			}
		})
	}
}

// What the plugins in front are for works on this plugin's answers.
func TestPluginsInFront(t *testing.T) {
	const name = "my-service.my-ns.svc.cluster.local."
	for _, tt := range []struct {
		front []string
		ask   string
		want  string
	}{
		{[]string{"rewrite ttl suffix cluster.local 99"}, name, name + " 99 IN A 10.0.0.11"},
		{[]string{"rewrite name suffix .example.org .cluster.local answer auto"}, "my-service.my-ns.example.org.", "my-service.my-ns.example.org. 5 IN A 10.0.0.11"},
		{[]string{"cache 1"}, name, name + " 1 IN A 10.0.0.11"},
		{[]string{"loadbalance", "minimal"}, name, name + " 5 IN A 10.0.0.11"},
	} {
		chain := inFront(t, loaded(t, theZones...), tt.front...)
		for range 3 { // the second answer may be a cached one
			m := askThrough(t, chain, tt.ask, dns.TypeA)
			if got := strings.Join(strings.Fields(m.Answer[0].String()), " "); got != tt.want || m.Question[0].Name != tt.ask {
				t.Errorf("%v: got %s to %s, want %s", tt.front, got, m.Question[0].Name, tt.want)
			}
		}
	}
}

// loadbalance turns the order of a headless service's addresses.
func TestLoadbalanceInFront(t *testing.T) {
	chain := inFront(t, loaded(t, theZones...), "loadbalance")
	orders := map[string]bool{}
	for range 200 {
		orders[fmt.Sprint(texts(askThrough(t, chain, "web.my-ns.svc.cluster.local.", dns.TypeA).Answer))] = true
	}
	if len(orders) != 2 {
		t.Errorf("two addresses come in %d orders", len(orders))
	}
}
