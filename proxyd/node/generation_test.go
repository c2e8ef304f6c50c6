//go:build linux

package node

import (
	"testing"

	"github.com/svcreg/svcreg/test/lab"
)

// Every change makes another generation, whoever's rules it is about; looking
// makes none.
func TestGeneration(t *testing.T) {
	h := lab.New(t, "iptables-nft", "iptables-nft-save").Host("node")
	generation := func() (g uint32) {
		t.Helper()
		var err error
		h.Do(func() { g, err = Generation() })
		if err != nil {
			t.Fatal(err)
		}
		return g
	}
	before := generation()
	for _, command := range [][]string{
		{"iptables-nft", "-t", "nat", "-N", "THEIRS"}, {"iptables-nft", "-t", "nat", "-X", "THEIRS"}, {"ip6tables-nft", "-P", "FORWARD", "DROP"},
	} {
		if out, err := h.Command(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%q: %v: %s", command, err, out)
		}
		if after := generation(); after == before {
			t.Errorf("generation %d after %q as before", after, command)
		} else {
			before = after
		}
	}
	if out, err := h.Command(t.Context(), "iptables-nft-save").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if after := generation(); after != before {
		t.Errorf("generation %d after a look, %d before", after, before)
	}
}
