package watch

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/pause"
)

const (
	// saveDelay is how long changes are collected before they are saved.
	saveDelay = time.Second
	// saveShare bounds how much of the time is spent on saving: one part in
	// so many.
	saveShare = 50
)

// disk keeps the last snapshot in a file.
type disk struct {
	file   string
	prefix string // of the registry
	logger *slog.Logger
	status *tracker

	offered atomic.Pointer[offer] // what to save next; nil if there is nothing
	wake    chan struct{}
}

// offer is a snapshot, and of which etcd cluster it is.
type offer struct {
	cluster  uint64
	snapshot *registry.Snapshot
}

func newDisk(file, prefix string, logger *slog.Logger, status *tracker) *disk {
	return &disk{file: file, prefix: prefix, logger: logger, status: status, wake: make(chan struct{}, 1)}
}

// offer has a snapshot saved before long. It never blocks.
func (d *disk) offer(cluster uint64, s *registry.Snapshot) {
	d.offered.Store(&offer{cluster, s})
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// run saves what is offered, now and then, and once more when ctx ends.
func (d *disk) run(ctx context.Context) {
	delay := saveDelay
	for {
		select {
		case <-ctx.Done():
			d.save()
			return
		case <-d.wake:
		}
		if pause.Sleep(ctx, delay) {
			delay = max(saveDelay, saveShare*d.save())
		}
	}
}

// save writes the snapshot that was offered last, unless that was done, and
// returns how long it took.
func (d *disk) save() time.Duration {
	o := d.offered.Swap(nil)
	if o == nil {
		return 0
	}
	start := time.Now()
	err := d.write(o)
	d.status.saved(err)
	if err != nil {
		d.logger.Error("the snapshot could not be saved", "error", err)
	}
	return time.Since(start)
}

// write replaces the file. A reader finds the old one or the new one, whatever
// happens in between.
func (d *disk) write(o *offer) error {
	temp, err := os.CreateTemp(filepath.Dir(d.file), filepath.Base(d.file)+".tmp-*")
	if err != nil {
		return err
	}
	h := header{d.prefix, o.cluster, o.snapshot.Revision()}
	err = errors.Join(encode(temp, h, o.snapshot.Records()), temp.Sync(), temp.Close())
	if err == nil {
		err = os.Rename(temp.Name(), d.file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	return syncDir(filepath.Dir(d.file))
}

// syncDir makes a rename in a directory last.
func syncDir(name string) error {
	dir, err := os.Open(name) //nolint:gosec // where the operator wants the file
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// load reads the file. It returns nil if there is none. The error names the
// file and what is wrong with it.
func (d *disk) load() (*saved, error) {
	d.removeLeftovers()
	info, err := os.Stat(d.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(d.file)
	if err != nil {
		return nil, err
	}
	s, err := decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.file, err)
	}
	if s.Prefix != d.prefix {
		return nil, fmt.Errorf("%s: want a snapshot of the registry %s, found one of %s", d.file, d.prefix, s.Prefix)
	}
	s.at = info.ModTime()
	return s, nil
}

// leftoverAge is when a temporary file is surely nobody's any more.
const leftoverAge = time.Hour

// removeLeftovers removes what writers left behind that were killed.
func (d *disk) removeLeftovers() {
	names, _ := filepath.Glob(d.file + ".tmp-*")
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && time.Since(info.ModTime()) > leftoverAge {
			_ = os.Remove(name)
		}
	}
}
