package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// TestMain is the program itself when a test runs it.
func TestMain(m *testing.M) {
	if os.Getenv("SVCREG_RUN_MAIN") != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func coredns(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), "SVCREG_RUN_MAIN=1")
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestVersion(t *testing.T) {
	out, err := coredns(t, "", "-version")
	if want := regexp.MustCompile(`^CoreDNS-1\.\d+\.\d+\+svcreg-devel\n`); err != nil || !want.MatchString(out) {
		t.Errorf("got %q, error %v; want it to match %s", out, err, want)
	}
}

func TestPlugins(t *testing.T) {
	out, err := coredns(t, "", "-plugins")
	if err != nil || !regexp.MustCompile(`(?m)^\s*(dns\.)?svcreg$`).MatchString(out) {
		t.Errorf("got %q, error %v; want svcreg in it", out, err)
	}
}

// A wrong Corefile ends the program with one error that says where it is.
func TestWrongCorefile(t *testing.T) {
	out, err := coredns(t, ".:0 {\nsvcreg cluster.local {\nttl forever\n}\n}\n", "-conf", "stdin")
	const want = "plugin/svcreg: /dev/stdin:3 - Error during parsing: ttl: forever: want SECONDS from 0 to 3600\n"
	if err == nil || !strings.HasSuffix(out, want) {
		t.Errorf("got %q, error %v; want %q", out, err, want)
	}
}
