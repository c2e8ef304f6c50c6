package watch

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/svcreg/svcreg/registry"
)

// A saved snapshot is: the magic, the format's version in one byte, a header,
// the objects, and the SHA-256 of all that.
const (
	magic         = "svcreg snapshot\n"
	formatVersion = 1
	bodyStart     = len(magic) + 1
)

// saved is a snapshot as a file holds it.
type saved struct {
	Prefix    string // of the registry
	ClusterID uint64 // of the etcd
	Revision  int64
	objects   []registry.Object
}

// flushSize is how much an encoder collects before it writes, in bytes.
const flushSize = 64 << 10

// encode writes a snapshot.
func encode(to io.Writer, s *saved) error {
	sum := sha256.New()
	w := io.MultiWriter(to, sum)
	c := &coder{known: map[string]uint64{}, data: append([]byte(magic), formatVersion)}
	s.header(c)
	count := uint64(len(s.objects))
	c.number(&count)
	for _, o := range s.objects {
		c.object(o)
		if len(c.data) < flushSize {
			continue
		}
		if _, err := w.Write(c.data); err != nil {
			return err
		}
		c.data = c.data[:0]
	}
	if _, err := w.Write(c.data); err != nil {
		return err
	}
	_, err := to.Write(sum.Sum(nil))
	return err
}

func (s *saved) header(c *coder) {
	c.text(&s.Prefix)
	c.number(&s.ClusterID)
	integer(c, &s.Revision)
}

// decode reads what encode wrote, once it has made sure that every byte is as
// it was written.
func decode(data []byte) (*saved, error) {
	body, err := verify(data)
	if err != nil {
		return nil, err
	}
	c := &coder{reading: true, data: body}
	s := &saved{}
	s.header(c)
	var count uint64
	c.number(&count)
	for i := uint64(0); i < count && c.err == nil; i++ {
		s.objects = append(s.objects, c.object(nil))
	}
	if c.err == nil && len(c.data) > 0 {
		c.err = fmt.Errorf("%d bytes are left over", len(c.data))
	}
	if c.err != nil {
		return nil, fmt.Errorf("the content is wrong: %w", c.err)
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
