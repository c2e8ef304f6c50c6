package watch

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// A saved snapshot is: the magic, the format's version in one byte, the header
// (prefix, cluster ID, revision), the records, a zero byte, and the SHA-256 of
// all that. A record is its kind, its namespace, its name and its data.
// Numbers are varints; strings have their length before them.
//
// The data is what package registry holds in memory. When it changes how it
// does that, this is another version. A file of another version is ignored.
const (
	magic         = "svcreg snapshot\n"
	formatVersion = 7
	bodyStart     = len(magic) + 1
)

// header says what is saved.
type header struct {
	Prefix    string // of the registry
	ClusterID uint64 // of the etcd
	Revision  int64
}

// saved is a snapshot as a file holds it.
type saved struct {
	header
	records []registry.Record
	at      time.Time // when the file was written; zero before
}

// encode writes a snapshot.
func encode(to io.Writer, h header, records iter.Seq[registry.Record]) error {
	sum := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(to, sum), 64<<10)
	b := append([]byte(magic), formatVersion)
	b = appendString(b, h.Prefix)
	b = binary.AppendUvarint(b, h.ClusterID)
	b = binary.AppendUvarint(b, uint64(h.Revision))
	_, _ = w.Write(b) // Flush has the error
	for r := range records {
		b = binary.AppendUvarint(b[:0], uint64(r.Kind))
		b = appendString(b, r.Namespace)
		b = appendString(b, r.Name)
		b = appendString(b, r.Data())
		_, _ = w.Write(b)
	}
	_ = w.WriteByte(0)
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := to.Write(sum.Sum(nil))
	return err
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decode reads what encode wrote, once it has made sure that every byte is as
// it was written.
func decode(data []byte) (*saved, error) {
	body, err := verify(data)
	if err != nil {
		return nil, err
	}
	r := reader{body, string(body)}
	s := &saved{header: header{r.string(), r.number(), int64(r.number())}}
	for {
		kind := r.number()
		if kind == 0 {
			break
		}
		ref := registry.Ref{Kind: registry.Kind(min(kind, 0xff)), Key: registry.Key{Namespace: r.string(), Name: r.string()}}
		record, err := registry.NewRecord(ref, r.string())
		if err != nil {
			return nil, err
		}
		s.records = append(s.records, record)
	}
	if r.rest == nil || len(r.rest) > 0 {
		return nil, errors.New("the content is wrong: it doesn't end where it must")
	}
	return s, nil
}

// reader reads numbers and strings. Where there are none, all that is left is
// zero. The strings share one piece of memory.
type reader struct {
	rest []byte
	text string // what rest says, too
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.rest = nil
		return 0
	}
	r.skip(size)
	return n
}

func (r *reader) string() string {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.rest = nil
		return ""
	}
	s := r.text[:n]
	r.skip(int(n))
	return s
}

func (r *reader) skip(n int) { r.rest, r.text = r.rest[n:], r.text[n:] }

// verify returns what stands between the format's version and the checksum.
func verify(data []byte) ([]byte, error) {
	if len(data) < bodyStart || string(data[:len(magic)]) != magic {
		return nil, errors.New("want a svcreg snapshot, found something else")
	}
	if v := data[len(magic)]; v != formatVersion {
		return nil, fmt.Errorf("want format version %d, found %d", formatVersion, v)
	}
	end := len(data) - sha256.Size
	if end < bodyStart {
		return nil, fmt.Errorf("it is cut short at %d bytes", len(data))
	}
	if sum := sha256.Sum256(data[:end]); !bytes.Equal(sum[:], data[end:]) {
		return nil, errors.New("it is damaged or cut short: the checksum is wrong")
	}
	return data[bodyStart:end], nil
}
