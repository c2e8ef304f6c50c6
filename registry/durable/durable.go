// Package durable writes files so that a crash of the process or of the machine
// leaves a whole one.
package durable

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Replace puts what write writes in a file's place; nobody but its owner may
// read it. A reader finds the old one or the new one, whatever happens in
// between, and never one in parts; if Replace returns nil the new one stays.
func Replace(file string, write func(io.Writer) error) error {
	removeLeftovers(file)
	temp, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".tmp-*") // mode 0600
	if err != nil {
		return err
	}
	err = errors.Join(write(temp), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return syncDir(filepath.Dir(file))
}

// syncDir makes a rename in a directory last.
func syncDir(name string) error {
	dir, err := os.Open(name) //nolint:gosec // where the operator wants the file
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// leftoverAge is when a temporary file is surely nobody's any more.
const leftoverAge = time.Hour

// removeLeftovers removes what writers left behind that were killed.
func removeLeftovers(file string) {
	names, _ := filepath.Glob(file + ".tmp-*")
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > leftoverAge {
			_ = os.Remove(name)
		}
	}
}
