package test

import (
	"strings"
	"testing"
)

// oneBlock is a Corefile with one server block that has all stanzas.
func oneBlock(_, stanzas [2]string) string {
	return ".:53 {\n\terrors\n\tready\n\tprometheus\n" + stanzas[0] + stanzas[1] + "}\n"
}

// Both zones are in one server block.
func TestDNSStanzas(t *testing.T) {
	t.Parallel()
	t.Run("two clusters", func(t *testing.T) { t.Parallel(); testTwoClusters(t, oneBlock) })
	t.Run("two prefixes", func(t *testing.T) { t.Parallel(); testTwoPrefixes(t, oneBlock) })
	t.Run("one never seen", func(t *testing.T) {
		t.Parallel()
		s := testOneNeverSeen(t, oneBlock)
		if err := s.ready(); err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("it says that it is ready, and knows nothing of one zone: %v", err)
		}
		s.returnOfZoneOne()
	})
}
