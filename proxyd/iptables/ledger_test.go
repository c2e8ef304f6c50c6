package iptables

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// meddled is a kernel to which somebody else does something after a Restore.
type meddled struct {
	*Fake
	meanwhile func()
}

func (k *meddled) Restore(ctx context.Context, family rules.Family, input []byte) error {
	err := k.Fake.Restore(ctx, family, input)
	if k.meanwhile != nil {
		do := k.meanwhile
		k.meanwhile = nil
		do()
	}
	return err
}

// A full Sync reads the kernel only if somebody else changed something since,
// whenever that was, or if it isn't known what stands.
func TestReads(t *testing.T) {
	web := func(address string) service {
		return service{name: "web", portals: []string{"10.0.0.1"}, backends: []string{address, "10.1.0.9"}}
	}
	w := newWorld(many(50, 2)...)
	w.put(web("10.1.0.1"))
	k := &meddled{Fake: NewFake()}
	p := NewWithKernel(Config{}, k, Features{IPv6: true})
	tamper := func() {
		if err := k.Fake.Restore(t.Context(), rules.IPv4, []byte("*nat\n:SVCREG-SERVICES - [0:0]\nCOMMIT\n")); err != nil {
			t.Fatal(err)
		}
	}
	change := func(address string) {
		t.Helper()
		w.put(web(address))
		if err := p.Sync(t.Context(), w.rules, w.changed, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name  string
		do    func()
		reads int // of two families
	}{
		{"the first", func() {}, 2},
		{"nothing changed", func() {}, 0},
		{"another policy's rules", func() { w.put(web("10.1.0.2")) }, 0},
		{"after a change", func() { change("10.1.0.3") }, 0},
		{"somebody else changed something", tamper, 2},
		{"that is repaired", func() {}, 0},
		{"somebody else, then we", func() { tamper(); change("10.1.0.4") }, 2},
		{"somebody else right after us", func() { k.meanwhile = tamper; change("10.1.0.5") }, 2},
		{"somebody else within a full sync", func() { k.meanwhile = tamper; w.put(web("10.1.0.6")); mustSync(t, p, w) }, 2},
		{"somebody else in place of one of ours without effect", func() {
			k.meanwhile = func() { k.made-- }
			change("10.1.0.8")
			tamper()
		}, 2},
		{"another configuration", func() { p.cfg.MasqueradeAll = true }, 2},
		{"after a refusal", func() {
			k.Refuse = func(string) bool { return true }
			w.put(web("10.1.0.7"))
			if err := p.Sync(t.Context(), w.rules, w.changed, nil); err == nil {
				t.Error("no error")
			}
			k.Refuse = nil
		}, 2},
		{"the legacy backend", func() { p.kernel.legacy = true }, 2},
	} {
		step.do()
		before := k.Saves()
		mustSync(t, p, w)
		if n := k.Saves() - before; n != step.reads {
			t.Errorf("%s: %d reads, want %d", step.name, n, step.reads)
		}
		atOnce := NewFake()
		fresh := NewWithKernel(p.cfg, atOnce, Features{IPv6: true})
		mustSync(t, fresh, w)
		if diff := cmp.Diff(fresh.Sizes(), p.Sizes()); diff != "" {
			t.Errorf("%s: sizes (-at once +here):\n%s", step.name, diff)
		}
		if diff := cmp.Diff(stands(t, atOnce), stands(t, k.Fake)); diff != "" {
			t.Errorf("%s (-at once +here):\n%s", step.name, diff)
		}
	}
}

// stands returns what a kernel has.
func stands(t *testing.T, k *Fake) string {
	t.Helper()
	all := ""
	for _, family := range []rules.Family{rules.IPv4, rules.IPv6} {
		save, err := k.Save(t.Context(), family)
		if err != nil {
			t.Fatal(err)
		}
		all += fmt.Sprintf("%v\n%s", family, save)
	}
	return all
}

// The kernel counts as we do: what others change is repaired, and where they
// change nothing nobody reads.
func TestRealReads(t *testing.T) {
	forEachBackend(t, func(t *testing.T, l *lab) {
		w := newWorld(labServices...)
		p := l.proxier(t, Config{ClusterCIDRs: pods})
		mustSync(t, p, w)
		spy := &spyKernel{Kernel: p.kernel.Kernel}
		p.kernel.Kernel = spy
		for i := range 3 {
			w.put(service{name: "changing", ports: both, portals: []string{fmt.Sprintf("10.0.1.%d", i)}, backends: []string{server1v4}})
			if err := p.Sync(t.Context(), w.rules, w.changed, nil); err != nil {
				t.Fatal(err)
			}
			mustSync(t, p, w)
		}
		want := map[string]int{ModeNFT: 0, ModeLegacy: 2 * 3}[l.backend]
		if spy.saves != want {
			t.Errorf("%d reads, want %d", spy.saves, want)
		}
		whole := l.save(t)
		l.in(t, "node", nil, "iptables-"+l.backend, "-t", "nat", "-F", "SVCREG-SERVICES")
		mustSync(t, p, w)
		if spy.saves -= want; spy.saves != 2 {
			t.Errorf("%d reads after somebody else's change, want 2", spy.saves)
		}
		if diff := cmp.Diff(whole, l.save(t)); diff != "" {
			t.Errorf("not repaired (-before +after):\n%s", diff)
		}
	})
}
