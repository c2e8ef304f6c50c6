package iptables

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// What is counted is what stands, after a repair as after changes.
func TestSizes(t *testing.T) {
	f := NewFake()
	p := NewWithKernel(Config{}, f, Features{IPv6: true})
	w := newWorld(sample...)
	counted := func(what string) {
		t.Helper()
		want := map[string]int{"chains": 0, "rules": 0}
		for _, family := range []rules.Family{rules.IPv4, rules.IPv6} {
			save, err := f.Save(t.Context(), family)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(save)) {
				switch {
				case strings.HasPrefix(line, ":"+ownPrefix):
					want["chains"]++
				case strings.HasPrefix(line, "-A "+ownPrefix):
					want["rules"]++
				}
			}
		}
		if diff := cmp.Diff(want, p.Sizes()); diff != "" {
			t.Errorf("%s (-standing +counted):\n%s", what, diff)
		}
	}
	counted("nothing")
	mustSync(t, p, w)
	counted("all")
	for range 2 {
		w.put(service{name: "new", portals: []string{"10.0.9.9", "fd00::9"}, backends: []string{"10.1.0.9", "10.1.0.8", "fd01::9"}})
		if err := p.Sync(t.Context(), w.rules, w.changed, nil); err != nil {
			t.Fatal(err)
		}
		counted("one more")
		w.put(service{name: "new", portals: []string{"10.0.9.9"}})
		if err := p.Sync(t.Context(), w.rules, w.changed, nil); err != nil {
			t.Fatal(err)
		}
		counted("without endpoints")
	}
	mustSync(t, p, w)
	counted("all again")
}
