package lab

import (
	"os"
	"strings"
)

// Body is one of the two that the backend has.
type Body string

// The bodies.
const (
	Small Body = "small"
	Large Body = "large"
)

// body returns what a body is made of.
func (l *Lab) body(b Body) string {
	size := l.Small
	if b == Large {
		size = l.Large
	}
	const line = "0123456789 abcdefghijklmnopqrstuvwxyz\n"
	return strings.Repeat(line, size/len(line)+1)[:size]
}

// writeBodies writes them to files of these names.
func (l *Lab) writeBodies() error {
	for _, b := range []Body{Small, Large} {
		if err := os.WriteFile(l.Path(string(b)), []byte(l.body(b)), 0o600); err != nil {
			return err
		}
	}
	return nil
}
