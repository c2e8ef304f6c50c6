//go:build linux

package proxyd

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/svcreg/svcreg/test/lab"
)

// TestScenariosListed traces the packets of testdata/scenarios over what the
// kernel's tools print, once it has the rules.
func TestScenariosListed(t *testing.T) {
	files, err := filepath.Glob("testdata/scenarios/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := newScenario(t, archive)
			l := lab.New(t, "nft", "iptables-nft-restore", "ip6tables-nft-restore", "iptables-nft-save", "ip6tables-nft-save")
			nodes := map[string]bool{}
			for _, p := range s.packets {
				if nodes[p.node] {
					continue
				}
				nodes[p.node] = true
				iptables := savedByIPTables(t, l.Host("iptables"+p.node), s.render(t, IPTables, p.node))
				nft := listedByNFT(t, l.Host("nft"+p.node), s.render(t, NFTables, p.node))
				_, policy := s.at(t, p.node)
				for _, same := range s.packets {
					if same.node != p.node {
						continue
					}
					if got := traceIPTables(t, iptables, policy, same); got != same.want {
						t.Errorf("%s by iptables-save: %s, want %s", same.question, got, same.want)
					}
					if got := traceNFT(t, nft, policy, same); got != same.want {
						t.Errorf("%s by nft list: %s, want %s", same.question, got, same.want)
					}
				}
			}
		})
	}
}

// savedByIPTables returns what iptables-save prints once the kernel has what
// render printed.
func savedByIPTables(t *testing.T, host *lab.Host, text string) string {
	t.Helper()
	v4, v6, _ := strings.Cut(text, "# IPv6: ")
	given(t, host, v4, "iptables-nft-restore", "--noflush")
	given(t, host, "# "+v6, "ip6tables-nft-restore", "--noflush")
	return printed(t, host, "iptables-nft-save") + "# IPv6: \n" + printed(t, host, "ip6tables-nft-save")
}

// listedByNFT returns what nft prints once the kernel has what render printed.
func listedByNFT(t *testing.T, host *lab.Host, text string) string {
	t.Helper()
	given(t, host, text, "nft", "-f", "-")
	return printed(t, host, "nft", "list", "ruleset")
}

func given(t *testing.T, host *lab.Host, input, program string, args ...string) {
	t.Helper()
	command := host.Command(t.Context(), program, args...)
	command.Stdin = strings.NewReader(input)
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", program, err, out)
	}
}

func printed(t *testing.T, host *lab.Host, program string, args ...string) string {
	t.Helper()
	out, err := host.Command(t.Context(), program, args...).Output()
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	return string(out)
}
