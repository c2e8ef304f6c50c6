// Package systemd_test checks the units of this folder.
package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/proxyd"
)

// settings returns the values of each key of a unit's service section, those
// of one key in order.
func settings(t *testing.T, unit string) map[string][]string {
	t.Helper()
	content, err := os.ReadFile(unit)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	_, service, _ := strings.Cut(string(content), "\n[Service]\n")
	service, _, _ = strings.Cut(service, "\n[")
	for line := range strings.Lines(service) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if ok && !strings.HasPrefix(key, "#") {
			found[key] = append(found[key], value)
		}
	}
	return found
}

// What the units promise: no privilege but the one that is needed.
func TestUnits(t *testing.T) {
	tests := map[string]map[string]string{
		"proxyd.service":  {"Type": "notify", "WatchdogSec": "2min", "CapabilityBoundingSet": "CAP_NET_ADMIN", "AmbientCapabilities": "CAP_NET_ADMIN"},
		"coredns.service": {"Type": "exec", "CapabilityBoundingSet": "CAP_NET_BIND_SERVICE", "AmbientCapabilities": "CAP_NET_BIND_SERVICE"},
		"svcreg-register@.service": {
			"Type": "notify", "CapabilityBoundingSet": "", "AmbientCapabilities": "",
			"ExecStart": "/usr/local/bin/svcctl register %i-%l --keep $REGISTER_ARGS",
		},
		"proxyd-announce.conf": {"CapabilityBoundingSet": "CAP_NET_RAW", "AmbientCapabilities": "CAP_NET_RAW", "RestrictAddressFamilies": "AF_PACKET"},
		"proxyd-legacy.conf":   {"CapabilityBoundingSet": " CAP_NET_ADMIN CAP_NET_RAW", "User": "root"},
	}
	always := map[string]string{
		"Restart": "always", "DynamicUser": "yes", "NoNewPrivileges": "yes", "ProtectSystem": "strict",
		"MemoryDenyWriteExecute": "yes", "RestrictNamespaces": "yes", "SystemCallFilter": "@system-service ~@privileged @resources",
	}
	for unit, want := range tests {
		got := settings(t, unit)
		if strings.HasSuffix(unit, ".service") {
			for key, value := range always {
				want[key] = value
			}
		}
		for key, value := range want {
			if joined := strings.Join(got[key], " "); joined != value {
				t.Errorf("%s: %s=%s, want %s", unit, key, joined, value)
			}
		}
	}
}

// Every flag that the unit or its comments mention is one that proxyd knows.
func TestFlagsExist(t *testing.T) {
	content, err := os.ReadFile("proxyd.service")
	if err != nil {
		t.Fatal(err)
	}
	config := proxyd.DefaultConfig()
	known := config.Settings()
	for _, flag := range regexp.MustCompile(`--([a-z-]+)`).FindAllStringSubmatch(string(content), -1) {
		if flag[1] != "config" && !slices.ContainsFunc(known, func(s proxyd.Setting) bool { return s.Name == flag[1] }) {
			t.Errorf("proxyd has no flag %s", flag[0])
		}
	}
}

// Systemd finds nothing wrong, and the sandbox tight.
func TestSystemdAnalyze(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd is not installed here")
	}
	dir := t.TempDir()
	// The service beside which svcreg-register@i would run.
	if err := os.WriteFile(filepath.Join(dir, "i.service"), []byte("[Service]\nExecStart=/bin/true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, unit := range []string{"proxyd.service", "coredns.service", "svcreg-register@.service"} {
		content, err := os.ReadFile(unit)
		if err != nil {
			t.Fatal(err)
		}
		// The programs are not installed here, which would be an error.
		content = regexp.MustCompile(`(?m)^ExecStart=\S+`).ReplaceAll(content, []byte("ExecStart=/bin/true"))
		copied := filepath.Join(dir, unit)
		if err := os.WriteFile(copied, content, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"verify", copied}, {"security", "--offline=true", "--threshold=20", copied}} {
			out, err := exec.CommandContext(t.Context(), analyze, args...).CombinedOutput()
			if err != nil || args[0] == "verify" && len(out) > 0 {
				t.Errorf("systemd-analyze %q: %v\n%s", args, err, out)
			}
		}
	}
}
