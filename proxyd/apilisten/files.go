package apilisten

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

const (
	// lookPeriod is how often files are looked at, at most.
	lookPeriod = time.Second
	// racy is how old a file must be for its time of change to say that it
	// hasn't changed again.
	racy = 2 * time.Second
)

// files are read, and read anew when they change. What is wrong then is said
// in the log, and what was right before stays.
type files[T any] struct {
	names  []string
	parse  func(contents [][]byte) (T, error)
	logger *slog.Logger
	now    func() time.Time

	mu       sync.Mutex
	value    T
	contents [][]byte
	stats    []os.FileInfo
	looked   time.Time // when the files were last looked at
	failed   string    // what the log was last told
}

// readFiles reads files, which must be right. The error names the file.
func readFiles[T any](logger *slog.Logger, parse func([][]byte) (T, error), names ...string) (*files[T], error) {
	f := &files[T]{names: names, parse: parse, logger: logger, now: time.Now}
	return f, f.read()
}

// get returns what the files say.
func (f *files[T]) get() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.now()
	if now.Sub(f.looked) < lookPeriod || !f.changed() {
		return f.value
	}
	err := f.read()
	switch {
	case err == nil:
		f.failed = ""
	case err.Error() != f.failed:
		f.failed = err.Error()
		f.logger.Error("a file of the API changed and can't be used: what it said before holds on", "err", err)
	}
	return f.value
}

// changed reports whether the files may not be what was read.
func (f *files[T]) changed() bool {
	last := f.looked
	f.looked = f.now()
	for i, name := range f.names {
		now, err := os.Stat(name) //nolint:gosec // the operator names the file
		was := f.stats[i]
		if err != nil || was == nil || !os.SameFile(now, was) || now.Size() != was.Size() || !now.ModTime().Equal(was.ModTime()) ||
			last.Sub(was.ModTime()) < racy {
			return true
		}
	}
	return false
}

// read reads the files, and takes over what they say if that is right.
func (f *files[T]) read() error {
	f.looked = f.now()
	stats, contents := make([]os.FileInfo, len(f.names)), make([][]byte, len(f.names))
	for i, name := range f.names {
		var err error
		if stats[i], err = os.Stat(name); err != nil { //nolint:gosec // the operator names the file
			return err
		}
		if contents[i], err = os.ReadFile(name); err != nil { //nolint:gosec // the operator names the file
			return err
		}
	}
	if f.contents == nil || !equal(contents, f.contents) {
		value, err := f.parse(contents)
		if err != nil {
			return fmt.Errorf("%s: %w", f.names[0], err)
		}
		if f.contents != nil {
			f.logger.Info("a file of the API was read anew", "file", f.names[0])
		}
		f.value, f.contents = value, contents
	}
	f.stats = stats
	return nil
}

func equal(a, b [][]byte) bool {
	for i := range a {
		if !bytes.Equal(a[i], b[i]) {
			return false
		}
	}
	return true
}
