package iptables

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestRender compares the rules of a few services with a file, which shows
// their shape; UPDATE=1 writes it anew.
func TestRender(t *testing.T) {
	services := append(slices.Clone(sample), service{name: "sticky", portals: []string{"10.0.0.7"}, backends: []string{"10.1.0.1", "10.1.0.2"}, affinity: time.Hour})
	cfg := Config{ClusterCIDRs: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}, PortalNetworks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}}
	var got bytes.Buffer
	if err := Render(&got, newWorld(services...).rules, cfg); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("testdata", "render.txt")
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestValidate(t *testing.T) {
	tests := []struct {
		name string
		cfg  Config
		want string
	}{
		{"nothing set", Config{}, ""},
		{"legacy", Config{Mode: ModeLegacy}, ""},
		{"unknown backend", Config{Mode: "ebpf"}, `iptables backend "ebpf": want auto, nft or legacy`},
		{"no network", Config{ClusterCIDRs: []netip.Prefix{{}}}, "cluster CIDR: invalid Prefix: want a network such as 10.0.0.0/8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := tt.cfg.Validate(); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if _, err := New(tt.cfg); tt.want != "" && (err == nil || err.Error() != tt.want) {
				t.Errorf("New: got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestCommandError(t *testing.T) {
	exit := exec.Command("false").Run()
	input := []byte("*nat\n:SVCREG-A - [0:0]\n-A SVCREG-A -p tcp -j NOSUCH\nCOMMIT\n")
	tests := []struct {
		name, stderr, want string
		refused            bool
	}{
		{
			"nft, parsing", "iptables-nft-restore v1.8.9 (nf_tables): \nError occurred at line: 3\nTry more\n",
			`iptables-restore: exit status 1: Error occurred at line: 3 (in "-A SVCREG-A -p tcp -j NOSUCH")`, true,
		}, {
			"nft, the kernel", "iptables-nft-restore v1.8.9 (nf_tables): \nline 3: RULE_APPEND failed (Invalid argument): rule in chain SVCREG-A\n",
			`iptables-restore: exit status 1: line 3: RULE_APPEND failed (Invalid argument): rule in chain SVCREG-A (in "-A SVCREG-A -p tcp -j NOSUCH")`, true,
		}, {
			"legacy", "iptables-restore: line 4 failed\n",
			`iptables-restore: exit status 1: iptables-restore: line 4 failed (in "COMMIT")`, true,
		}, {
			"lock", "Another app is currently holding the xtables lock. Perhaps you want to use the -w option?\n",
			`iptables-restore: exit status 1: Another app is currently holding the xtables lock. Perhaps you want to use the -w option?`, false,
		}, {
			"a line beyond the input", "line 99 failed\n", `iptables-restore: exit status 1: line 99 failed`, true,
		}, {"silence", "", `iptables-restore: exit status 1`, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := newCommandError("iptables-restore", exit, tt.stderr, input)
			if diff := cmp.Diff(tt.want, err.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if isRefusal(err) != tt.refused {
				t.Errorf("isRefusal is %v, want %v", isRefusal(err), tt.refused)
			}
		})
	}
}

func TestReadStanding(t *testing.T) {
	st := readStanding([]byte(`# Warning: iptables-legacy tables present
*nat
:PREROUTING ACCEPT [1:2]
:SVCREG-A - [0:0]
:SVCREGULAR - [0:0]
-A PREROUTING -j SVCREG-SERVICES
-A PREROUTING -m comment --comment "-j SVCREG-A is not here" -j MINE
-A SVCREGULAR -g SVCREG-A
-A SVCREG-A -p tcp -j DNAT --to-destination 10.1.0.1:80
COMMIT
*mangle
:SVCREG-B - [0:0]
-A FORWARD -j SVCREG-B
COMMIT
`))
	wantOwn := map[ref][]string{{"nat", "SVCREG-A"}: {"-p tcp -j DNAT --to-destination 10.1.0.1:80"}, {"mangle", "SVCREG-B"}: nil}
	wantStrays := []jump{{"nat", "PREROUTING", "-j SVCREG-SERVICES"}, {"nat", "SVCREGULAR", "-g SVCREG-A"}, {"mangle", "FORWARD", "-j SVCREG-B"}}
	opt := cmp.AllowUnexported(ref{}, jump{})
	if diff := cmp.Diff(wantOwn, st.own, opt); diff != "" {
		t.Errorf("chains (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(wantStrays, st.strays, opt); diff != "" {
		t.Errorf("strays (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[jump]bool{{"nat", "PREROUTING", "-j SVCREG-SERVICES"}: true}, st.jumps, opt); diff != "" {
		t.Errorf("jumps (-want +got):\n%s", diff)
	}
}

// FuzzReadStanding feeds what iptables-save might print: removing what was
// read never names a chain of others to flush or delete.
func FuzzReadStanding(f *testing.F) {
	f.Add("*nat\n:SVCREG-A - [0:0]\n-A PREROUTING -j SVCREG-A\nCOMMIT\n")
	f.Add("*filter\n-A SVCREG-B")
	f.Add("-A x -j SVCREG-\n:SVCREG-")
	f.Fuzz(func(t *testing.T, save string) {
		for line := range strings.Lines(string(removal(readStanding([]byte(save))))) {
			if (strings.HasPrefix(line, "-F ") || strings.HasPrefix(line, "-X ")) && !strings.HasPrefix(line[3:], ownPrefix) {
				t.Errorf("from %q: %q", save, line)
			}
			if strings.HasPrefix(line, "-D ") && !strings.Contains(line, ownPrefix) {
				t.Errorf("from %q: %q", save, line)
			}
		}
	})
}

// TestNew probes the commands that this machine has, which touches nothing.
func TestNew(t *testing.T) {
	for mode, legacy := range map[string]bool{ModeNFT: false, ModeLegacy: true} {
		t.Run(mode, func(t *testing.T) {
			if _, err := exec.LookPath("iptables-" + mode + "-restore"); err != nil {
				t.Skip(err)
			}
			p, err := New(Config{Mode: mode})
			if err != nil {
				t.Fatal(err)
			}
			if p.features.Legacy != legacy || !p.features.RandomFully {
				t.Errorf("got %+v", p.features)
			}
		})
	}
	t.Run("no iptables", func(t *testing.T) {
		t.Setenv("PATH", t.TempDir())
		if _, err := New(Config{}); err == nil || !strings.Contains(err.Error(), "apt install iptables") {
			t.Errorf("got %v, want what to install", err)
		}
		if err := Cleanup(t.Context(), ModeAuto); err == nil {
			t.Error("Cleanup without iptables: no error")
		}
	})
	t.Run("no ip6tables", func(t *testing.T) {
		iptables, err := exec.LookPath("iptables-nft")
		if err != nil {
			t.Skip(err)
		}
		dir := t.TempDir()
		for _, name := range []string{"iptables-nft", "iptables-nft-restore", "iptables-nft-save"} {
			if err := os.Symlink(iptables, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("PATH", dir)
		var log bytes.Buffer
		p, err := New(Config{Mode: ModeNFT, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		if p.features.IPv6 || !strings.Contains(log.String(), "IPv4 only") {
			t.Errorf("features %+v, log %q", p.features, log.String())
		}
	})
}
