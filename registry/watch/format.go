package watch

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// A saved snapshot is: the magic, the format's version in one byte, a gob
// stream of the header and the objects, and the SHA-256 of all that. Fields
// can be added to the model without another version: gob leaves out what one
// side doesn't know.
const (
	magic         = "svcreg snapshot\n"
	formatVersion = 1
	bodyStart     = len(magic) + 1
)

// saved is a snapshot as a file holds it.
type saved struct {
	header
	objects []registry.Object
	at      time.Time // when the file was written; zero before
}

// header says what the objects are of.
type header struct {
	Prefix    string // of the registry
	ClusterID uint64 // of the etcd
	Revision  int64
	Objects   int
}

// newSaved returns what is to be saved of a registry.
func newSaved(prefix string, cluster uint64, revision int64, objects []registry.Object) *saved {
	return &saved{header: header{prefix, cluster, revision, len(objects)}, objects: objects}
}

// encode writes a snapshot. It only ever reads the objects: others do so at
// the same time.
func encode(to io.Writer, s *saved) error {
	sum := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(to, sum), 64<<10)
	_, _ = w.WriteString(magic) // Flush has the error
	_ = w.WriteByte(formatVersion)
	e := gob.NewEncoder(w)
	if err := e.Encode(s.header); err != nil {
		return err
	}
	for _, o := range s.objects {
		if err := encodeObject(e, o); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := to.Write(sum.Sum(nil))
	return err
}

// decode reads what encode wrote, once it has made sure that every byte is as
// it was written.
func decode(data []byte) (*saved, error) {
	body, err := verify(data)
	if err != nil {
		return nil, err
	}
	d := gob.NewDecoder(bytes.NewReader(body))
	s := &saved{}
	if err := d.Decode(&s.header); err != nil {
		return nil, fmt.Errorf("the header is wrong: %w", err)
	}
	for range s.Objects {
		o, err := decodeObject(d)
		if err != nil {
			return nil, fmt.Errorf("the content is wrong: %w", err)
		}
		s.objects = append(s.objects, o)
	}
	return s, nil
}

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
