package watch

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// coder writes values in a compact binary form, or reads them back: each
// method does either with what its argument points at, so that one description
// of an object serves both ways. Reading stops at the first error, which err
// keeps; values are zero from there on.
type coder struct {
	reading bool
	data    []byte // what was written, or what is still to be read
	err     error

	words []string          // read so far
	known map[string]uint64 // written so far: position in words, plus one
}

var errShort = errors.New("it ends in the middle of a value")

// number codes an unsigned number; small ones take little room.
func (c *coder) number(n *uint64) {
	if !c.reading {
		c.data = binary.AppendUvarint(c.data, *n)
		return
	}
	v, size := binary.Uvarint(c.data)
	if size <= 0 {
		c.fail()
		return
	}
	*n, c.data = v, c.data[size:]
}

func (c *coder) fail() {
	if c.err == nil {
		c.err = errShort
	}
	c.data = nil
}

// length codes how many things follow: n, or -1 for none at all (nil). Each
// thing takes at least a byte, which bounds what a reader believes.
func (c *coder) length(n int) int {
	v := uint64(n + 1)
	c.number(&v)
	if c.reading && v > uint64(len(c.data))+1 {
		c.fail()
	}
	if c.err != nil {
		return -1
	}
	return int(v) - 1
}

// bytes codes raw bytes. What was read is only valid until the data changes.
func (c *coder) bytes(b []byte) []byte {
	n := max(c.length(len(b)), 0)
	if !c.reading {
		c.data = append(c.data, b...)
		return b
	}
	b, c.data = c.data[:n], c.data[n:]
	return b
}

// text codes a string that few others equal.
func (c *coder) text(s *string) {
	n := max(c.length(len(*s)), 0)
	if !c.reading {
		c.data = append(c.data, *s...)
		return
	}
	*s, c.data = string(c.data[:n]), c.data[n:]
}

// word codes a string that occurs again and again. It is written in full only
// once, and those that are read share their memory.
func (c *coder) word(s *string) {
	if c.reading {
		c.readWord(s)
		return
	}
	i := c.known[*s]
	c.number(&i)
	if i == 0 {
		c.known[*s] = uint64(len(c.known) + 1)
		c.text(s)
	}
}

func (c *coder) readWord(s *string) {
	var i uint64
	c.number(&i)
	switch {
	case i > uint64(len(c.words)):
		c.fail()
	case i > 0:
		*s = c.words[i-1]
	default:
		c.text(s)
		c.words = append(c.words, *s)
	}
}

func (c *coder) flag(b *bool) {
	var n uint64
	if *b {
		n = 1
	}
	c.number(&n)
	if c.reading { // what is written is others' to read meanwhile
		*b = n != 0
	}
}

// integer codes a whole number of any type.
func integer[T ~int64 | ~uint16](c *coder, v *T) {
	n := uint64(*v)
	c.number(&n)
	if c.reading {
		*v = T(n)
	}
}

func (c *coder) addr(a *netip.Addr) {
	var b []byte
	if !c.reading {
		b, _ = a.MarshalBinary() // never fails
	}
	if b = c.bytes(b); c.reading {
		c.note(a.UnmarshalBinary(b))
	}
}

func (c *coder) prefix(p *netip.Prefix) {
	var b []byte
	if !c.reading {
		b, _ = p.MarshalBinary() // never fails
	}
	if b = c.bytes(b); c.reading {
		c.note(p.UnmarshalBinary(b))
	}
}

// note keeps the first error.
func (c *coder) note(err error) {
	if c.err == nil && err != nil {
		c.err, c.data = err, nil
	}
}

// list codes a slice, nil or not.
func list[T any](c *coder, s *[]T, element func(*T)) {
	n := -1
	if *s != nil {
		n = len(*s)
	}
	if n = c.length(n); c.reading && n >= 0 {
		*s = make([]T, n)
	}
	for i := range *s {
		element(&(*s)[i])
	}
}

// labels codes a map, nil or not.
func (c *coder) labels(m *map[string]string) {
	n := -1
	if *m != nil {
		n = len(*m)
	}
	n = c.length(n)
	if !c.reading {
		for k, v := range *m {
			c.word(&k)
			c.word(&v)
		}
		return
	}
	if n >= 0 {
		*m = make(map[string]string, n)
	}
	for range n {
		var k, v string
		c.word(&k)
		c.word(&v)
		(*m)[k] = v
	}
}
