package iptables

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// What others do to the rules shows, in the tables' generation and in what the
// canary finds; a Sync repairs it.
func TestCanary(t *testing.T) {
	for _, backend := range []string{ModeNFT, ModeLegacy} {
		t.Run(backend, func(t *testing.T) {
			l := newBareLab(t, backend)
			p := l.proxier(t, Config{ClusterCIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd01::/16")}})
			w := newWorld(sample...)
			look := func() (generation uint64, intact bool) {
				t.Helper()
				var err error
				l.inside(t, "node", func() { generation, err = p.Generation() })
				if err == nil {
					intact, err = p.Intact(t.Context())
				}
				if err != nil {
					t.Fatal(err)
				}
				return generation, intact
			}
			mustSync(t, p, w)
			whole := l.save(t)
			for _, deed := range []string{
				"iptables-BACKEND -t nat -F", "ip6tables-BACKEND -t filter -F", "iptables-BACKEND -F SVCREG-REFUSE",
				"ip6tables-BACKEND -t nat -D PREROUTING -j SVCREG-SERVICES", "iptables-BACKEND -t nat -F SVCREG-POSTROUTING",
				"ip6tables-BACKEND -t nat -F SVCREG-BORDER", "nft flush ruleset",
			} {
				if strings.HasPrefix(deed, "nft") && backend != ModeNFT {
					continue
				}
				before, intact := look()
				if again, _ := look(); !intact || again != before {
					t.Fatalf("before %q: intact %v, generation %d, then %d; want all to be well", deed, intact, before, again)
				}
				l.in(t, "node", nil, strings.Fields(strings.ReplaceAll(deed, "BACKEND", backend))...)
				if after, intact := look(); intact || after == before {
					t.Errorf("after %q: intact %v, generation %d, before %d", deed, intact, after, before)
				}
				mustSync(t, p, w)
				if l.save(t) != whole {
					t.Errorf("not repaired after %q", deed)
				}
			}
		})
	}
}

// What can't be told is an error; what was never written isn't missed.
func TestCanaryThatCannotTell(t *testing.T) {
	f := NewFake()
	p := NewWithKernel(Config{}, f, Features{IPv6: true})
	if intact, err := p.Intact(t.Context()); !intact || err != nil {
		t.Errorf("before the first sync: intact %v, %v; want nothing missed", intact, err)
	}
	mustSync(t, p, newWorld(sample...))
	if intact, err := p.Intact(t.Context()); !intact || err != nil {
		t.Errorf("after a sync: intact %v, %v", intact, err)
	}
	if err := f.Restore(t.Context(), rules.IPv4, []byte("*nat\n:THEIRS - [0:0]\nCOMMIT\n")); err != nil {
		t.Fatal(err)
	}
	if intact, err := p.Intact(t.Context()); !intact || err != nil {
		t.Errorf("after others made a chain of their own: intact %v, %v", intact, err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if intact, err := p.Intact(ended); intact || !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that ended: intact %v, %v; want its error", intact, err)
	}
}
