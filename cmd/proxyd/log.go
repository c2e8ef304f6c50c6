package main

import (
	"io"
	"log/slog"
	"sync"
	"time"
)

// newLogger returns what writes the log, as text or as JSON.
func newLogger(format string, to io.Writer) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(to, nil))
	}
	return slog.New(slog.NewTextHandler(to, nil))
}

const (
	// burstPause is the least time between two writes of lines that come at a
	// stretch.
	burstPause = 100 * time.Millisecond
	// burstSize is how many bytes wait for it at most.
	burstSize = 64 << 10
)

// bursts writes a line at once that comes after a pause, and lines that come at
// a stretch together: a write for each proxied request takes a tenth of the
// processor time of all.
type bursts struct {
	to io.Writer

	mu    sync.Mutex
	lines []byte      // that wait
	next  *time.Timer // nil while the last write is longer ago than the pause
}

// Write takes a line. Nobody is told if it can't be written later on.
func (b *bursts) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.next == nil {
		b.next = time.AfterFunc(burstPause, b.tick)
		return b.to.Write(line)
	}
	if b.lines = append(b.lines, line...); len(b.lines) >= burstSize {
		b.write()
	}
	return len(line), nil
}

// tick writes what has come since the last write, if anything has.
func (b *bursts) tick() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.lines) == 0 {
		b.next = nil
		return
	}
	b.write()
	b.next.Reset(burstPause)
}

// Flush writes what waits.
func (b *bursts) Flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.write()
}

func (b *bursts) write() {
	if len(b.lines) > 0 {
		_, _ = b.to.Write(b.lines) // there is nobody to tell
		b.lines = b.lines[:0]
	}
}
