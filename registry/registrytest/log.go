package registrytest

import (
	"strings"
	"sync"
)

// Log is what a program or a controller under test says: it can be read while
// others write it. The zero Log is empty.
type Log struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// String returns all that was said so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// Has reports whether something was said.
func (l *Log) Has(text string) bool { return strings.Contains(l.String(), text) }
