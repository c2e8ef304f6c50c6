//go:build linux

package nfttest

import (
	"strings"
	"testing"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/test/lab"
)

// TestTraceListed is TestTrace for what nft prints once the kernel has it all.
func TestTraceListed(t *testing.T) {
	eachPolicy(t, func(t *testing.T, compiled *rules.Ruleset, text string) {
		host := lab.New(t, "nft").Host("node")
		load := host.Command(t.Context(), "nft", "-f", "-")
		load.Stdin = strings.NewReader(text)
		if out, err := load.CombinedOutput(); err != nil {
			t.Fatalf("nft -f: %v: %s", err, out)
		}
		out, err := host.Command(t.Context(), "nft", "list", "ruleset").Output()
		if err != nil {
			t.Fatalf("nft list ruleset: %v", err)
		}
		compareAll(t, compiled, string(out))
	})
}
