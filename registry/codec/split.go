package codec

import (
	"bytes"
	"iter"
)

// split yields the parts of a file between the lines that separate YAML
// documents, with the number of the line on which each begins. Parts that hold
// nothing but comments and directives are left out.
func split(data []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		begin, first, line := 0, 1, 0
		for at := 0; at < len(data); {
			line++
			next := lineEnd(data, at)
			if n := separator(data[at:next]); n > 0 {
				if part := data[begin:at]; !empty(part) && !yield(first, part) {
					return
				}
				begin, first = at+n, line
			}
			at = next
		}
		if part := data[begin:]; !empty(part) {
			yield(first, part)
		}
	}
}

// lineEnd returns where the line after the one at that offset begins.
func lineEnd(data []byte, at int) int {
	if n := bytes.IndexByte(data[at:], '\n'); n >= 0 {
		return at + n + 1
	}
	return len(data)
}

// separator returns how many bytes of a line separate two documents: those of
// "---" or "...". Content may follow after a space.
func separator(line []byte) int {
	rest, ok := bytes.CutPrefix(line, []byte("---"))
	if !ok {
		rest, ok = bytes.CutPrefix(line, []byte("..."))
	}
	if ok && (len(rest) == 0 || bytes.IndexByte([]byte(" \t\r\n"), rest[0]) >= 0) {
		return 3
	}
	return 0
}

// empty reports whether all lines are blank, comments or directives.
func empty(part []byte) bool {
	for line := range bytes.Lines(part) {
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' && line[0] != '%' {
			return false
		}
	}
	return true
}
