package watch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/durable"
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
	h := header{d.prefix, o.cluster, o.snapshot.Revision()}
	err := durable.Replace(d.file, func(w io.Writer) error { return encode(w, h, o.snapshot.Records()) })
	d.status.saved(err)
	if err != nil {
		d.logger.Error("the snapshot could not be saved", "error", err)
	}
	return time.Since(start)
}

// load reads the file. It returns nil if there is none. The error names the
// file and what is wrong with it.
func (d *disk) load() (*saved, error) {
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
