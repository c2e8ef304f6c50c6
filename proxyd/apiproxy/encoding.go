package apiproxy

import (
	"bufio"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"io"
	"net/http"
	"strings"
)

// encoder writes a body in its encoding. Flush writes what it holds back.
type encoder interface {
	io.WriteCloser
	Flush() error
}

// coding is a Content-Encoding.
type coding struct {
	decode func(io.Reader) (io.Reader, error)
	encode func(io.Writer) encoder
}

// codings are the Content-Encodings in which links can be rewritten.
var codings = map[string]coding{
	"":         identity,
	"identity": identity,
	"gzip":     gzipped,
	"x-gzip":   gzipped,
	"deflate":  deflated,
}

var identity = coding{
	decode: func(r io.Reader) (io.Reader, error) { return r, nil },
	encode: func(w io.Writer) encoder { return plain{bufio.NewWriterSize(w, 16<<10)} },
}

var gzipped = coding{
	decode: func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) },
	encode: func(w io.Writer) encoder { return gzip.NewWriter(w) },
}

var deflated = coding{
	decode: inflate,
	encode: func(w io.Writer) encoder { return zlib.NewWriter(w) },
}

// inflate reads "deflate" as RFC 9110 has it, in zlib's format, and as many
// servers have it, without. What is written is the former.
func inflate(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	head, err := b.Peek(2)
	if err != nil {
		return nil, err
	}
	if head[0]&0x0f == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 {
		return zlib.NewReader(b)
	}
	return flate.NewReader(b), nil
}

// plain writes as is.
type plain struct{ *bufio.Writer }

// Close implements io.Closer.
func (p plain) Close() error { return p.Flush() }

// flushing is an encoder, and a reader that has what was written flushed
// before it waits for more to read.
type flushing struct {
	encoder
	from io.Reader
	held bool
}

// Write implements io.Writer.
func (f *flushing) Write(p []byte) (int, error) {
	f.held = f.held || len(p) > 0
	return f.encoder.Write(p)
}

// Flush implements encoder. With nothing to flush it writes nothing.
func (f *flushing) Flush() error {
	if !f.held {
		return nil
	}
	f.held = false
	return f.encoder.Flush()
}

// Read implements io.Reader.
func (f *flushing) Read(p []byte) (int, error) {
	if err := f.Flush(); err != nil {
		return 0, err
	}
	return f.from.Read(p)
}

// limitEncodings takes from the Accept-Encoding of a request for a page, as a
// browser sends it, the encodings in which links can't be rewritten.
func limitEncodings(h http.Header) {
	if !strings.Contains(h.Get("Accept"), "text/html") || h.Get("Accept-Encoding") == "" {
		return
	}
	var kept []string
	for accepted := range strings.SplitSeq(strings.Join(h["Accept-Encoding"], ","), ",") {
		name, _, _ := strings.Cut(accepted, ";")
		if _, known := codings[strings.ToLower(strings.TrimSpace(name))]; known {
			kept = append(kept, strings.TrimSpace(accepted))
		}
	}
	h.Set("Accept-Encoding", strings.Join(append(kept, "identity"), ", "))
}
