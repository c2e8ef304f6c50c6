package apilisten

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A file that changes twice within a tick of its file system's clock, to as many
// bytes, is read again nevertheless.
func TestFilesOfOneTick(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	tick := time.Now().Truncate(time.Second)
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, tick, tick); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	f := &files[string]{names: []string{name}, logger: slog.Default(), parse: func(c [][]byte) (string, error) { return string(c[0]), nil }}
	now := tick
	f.now = func() time.Time { return now }
	if err := f.read(); err != nil || f.get() != "one" {
		t.Fatalf("%q, %v", f.get(), err)
	}
	write("two")
	now = now.Add(lookPeriod)
	if got := f.get(); got != "two" {
		t.Errorf("%q, want two", got)
	}
}
