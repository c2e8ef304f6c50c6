// Package smoke is what the tests that run a whole benchmark have in common.
package smoke

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Where programs are built from. Tests run in their package's directory, which
// go build -C takes them from.
const (
	Bench = "bench" // this module
	Main  = "main"  // the one that it is about
)

// Program is one that a benchmark starts.
type Program struct {
	Flag   string // that says where it is
	Module string // Bench or Main
	Path   string // of the package
}

// Etcd is the one that all benchmarks have.
var Etcd = Program{"-etcd", Main, "go.etcd.io/etcd/server/v3"}

// Build builds programs, and returns the flags that say where they are. root is
// the way from the test's directory to this module.
func Build(t *testing.T, root string, programs ...Program) []string {
	t.Helper()
	dir := t.TempDir()
	var flags []string
	for _, p := range programs {
		from, file := root, filepath.Join(dir, strings.TrimPrefix(p.Flag, "-"))
		if p.Module == Main {
			from = filepath.Join(root, "..")
		}
		argv := []string{"build", "-C", from, "-o", file, p.Path}
		if output, err := exec.CommandContext(t.Context(), "go", argv...).CombinedOutput(); err != nil { //nolint:gosec // the tests' own
			t.Fatalf("go %s: %v\n%s", strings.Join(argv, " "), err, output)
		}
		flags = append(flags, p.Flag, file)
	}
	return flags
}

// CheckGone wants a benchmark that has ended to have left nothing in the
// directory that it made its files in, nor a process that has to do with it.
func CheckGone(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		line, _ := os.ReadFile(file) //nolint:gosec // it may have ended
		if strings.Contains(string(line), dir) {
			t.Errorf("still running: %q", line)
		}
	}
}

// CheckFile wants a file to have a text in it.
func CheckFile(t *testing.T, file, part string) {
	t.Helper()
	if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), part) { //nolint:gosec // the tests' own
		t.Errorf("%s: %v\n%s", file, err, text)
	}
}
