package durable

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// text returns a function that writes a text, and then says how that went.
func text(s string, err error) func(io.Writer) error {
	return func(w io.Writer) error {
		_, _ = io.WriteString(w, s)
		return err
	}
}

// wantFiles wants a directory to hold some files, by name, and nothing else.
func wantFiles(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = string(content)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// What can't be written to the end leaves what was there.
func TestReplace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	for _, content := range []string{"a longer first one", "second"} {
		if err := Replace(file, text(content, nil)); err != nil {
			t.Fatal(err)
		}
		wantFiles(t, filepath.Dir(file), map[string]string{"file": content})
	}
	full := errors.New("the disk is full")
	if err := Replace(file, text("thi", full)); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	wantFiles(t, filepath.Dir(file), map[string]string{"file": "second"})
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v: want mode 0600", info, err)
	}
	if err := Replace(filepath.Join(file, "below"), text("", nil)); err == nil {
		t.Error("a file can't be in a file")
	}
}

// A writer that was killed long ago leaves nothing for good.
func TestLeftoversAreRemoved(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	for _, name := range []string{".tmp-1", ".tmp-2"} {
		if err := os.WriteFile(file+name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	past := time.Now().Add(-2 * leftoverAge)
	if err := os.Chtimes(file+".tmp-1", past, past); err != nil {
		t.Fatal(err)
	}
	if err := Replace(file, text("new", nil)); err != nil {
		t.Fatal(err)
	}
	wantFiles(t, filepath.Dir(file), map[string]string{"file": "new", "file.tmp-2": ""}) // whose writer may be at work
}
