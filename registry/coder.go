package registry

import (
	"encoding/binary"
	"errors"
	"maps"
	"net/netip"
	"slices"
)

// coder turns the fields of an object into bytes, or bytes into fields. Each
// type lists its fields once, for both directions (fields.go): so the two
// can't drift apart, and what a coder writes depends on nothing but the
// fields.
//
// Numbers are varints. A string that the object has had before, its own
// namespace and name included, or that many objects have, is a number, too.
// Strings that are read share their bytes with the input.
type coder struct {
	writing bool
	out     []byte // what was written
	in      string // what is still to be read
	damaged bool   // what was read was never written

	// seen are the first strings of the object, in the order in which they
	// came.
	seen  [maxSeen]string
	count int
}

// maxSeen keeps the search short, and the numbers of most of the common
// strings in one byte.
const maxSeen = 24

var errDamaged = errors.New("the record is damaged")

func writerTo(buf []byte, k Key) coder {
	c := coder{writing: true, out: buf}
	c.remember(k.Namespace)
	c.remember(k.Name)
	return c
}

func readerOf(data string, k Key) coder {
	c := coder{in: data}
	c.remember(k.Namespace)
	c.remember(k.Name)
	return c
}

// end returns an error unless everything was read and made sense.
func (c *coder) end() error {
	if c.damaged || c.in != "" {
		return errDamaged
	}
	return nil
}

// fail makes all that is read from now on zero.
func (c *coder) fail() { c.damaged, c.in = true, "" }

func (c *coder) write(n uint64) { c.out = binary.AppendUvarint(c.out, n) }

func (c *coder) read() uint64 {
	var n uint64
	for i := 0; i < len(c.in) && i < binary.MaxVarintLen64; i++ {
		b := c.in[i]
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			c.in = c.in[i+1:]
			return n
		}
	}
	c.fail()
	return 0
}

// next returns the next n bytes.
func (c *coder) next(n uint64) string {
	if n > uint64(len(c.in)) {
		c.fail()
		return ""
	}
	s := c.in[:n]
	c.in = c.in[n:]
	return s
}

// number codes an integer. Negative ones take ten bytes.
func number[T ~int64 | ~uint16](c *coder, v *T) {
	if c.writing {
		c.write(uint64(*v))
		return
	}
	n := c.read()
	if *v = T(n); uint64(*v) != n {
		c.fail()
	}
}

// flags codes up to seven truths.
func (c *coder) flags(flags ...*bool) {
	if c.writing {
		var n uint64
		for i, f := range flags {
			if *f {
				n |= 1 << i
			}
		}
		c.write(n)
		return
	}
	n := c.read()
	for i, f := range flags {
		*f = n>>i&1 != 0
	}
	if n>>len(flags) != 0 {
		c.fail()
	}
}

// text codes a string: its length, doubled, and its bytes; or which one it is
// of those seen before or the common ones, doubled, plus one.
func text[T ~string](c *coder, s *T) {
	if c.writing {
		c.writeString(string(*s))
	} else {
		*s = T(c.readString())
	}
}

func (c *coder) writeString(s string) {
	if s != "" {
		if i := slices.Index(c.seen[:c.count], s); i >= 0 {
			c.write(uint64(i)<<1 | 1)
			return
		}
		if i, ok := commonIndex[s]; ok {
			c.write((maxSeen+uint64(i))<<1 | 1)
			return
		}
		c.remember(s)
	}
	c.write(uint64(len(s)) << 1)
	c.out = append(c.out, s...)
}

func (c *coder) readString() string {
	n := c.read()
	if n&1 == 0 {
		s := c.next(n >> 1)
		c.remember(s)
		return s
	}
	switch n >>= 1; {
	case n < uint64(c.count):
		return c.seen[n]
	case n >= maxSeen && n-maxSeen < uint64(len(common)):
		return common[n-maxSeen]
	}
	c.fail()
	return ""
}

func (c *coder) remember(s string) {
	if s != "" && c.count < maxSeen {
		c.seen[c.count] = s
		c.count++
	}
}

// list codes a list's length, and whether it is nil, and returns the list with
// that many elements to code. An element takes at least a byte.
func list[T any](c *coder, s *[]T) []T {
	if c.writing {
		if *s == nil {
			c.write(0)
		} else {
			c.write(uint64(len(*s)) + 1)
		}
		return *s
	}
	n := c.size()
	if n < 0 {
		*s = nil
		return nil
	}
	*s = make([]T, n)
	return *s
}

// size reads the size of a list or a map that is bounded by what is still to
// be read; -1 for a nil one.
func (c *coder) size() int {
	n := c.read()
	if n > uint64(len(c.in))+1 {
		c.fail()
		n = 0
	}
	return int(n) - 1
}

// texts codes a map, in the order of its keys.
func (c *coder) texts(m *map[string]string) {
	if c.writing {
		c.writeTexts(*m)
		return
	}
	n := c.size()
	if n < 0 {
		*m = nil
		return
	}
	*m = make(map[string]string, n)
	for range n {
		key := c.readString()
		(*m)[key] = c.readString()
	}
}

func (c *coder) writeTexts(m map[string]string) {
	if m == nil {
		c.write(0)
		return
	}
	c.write(uint64(len(m)) + 1)
	var few [8]string // saves an allocation
	keys := slices.AppendSeq(few[:0], maps.Keys(m))
	slices.Sort(keys)
	for _, key := range keys {
		c.writeString(key)
		c.writeString(m[key])
	}
}

// What an address begins with. A zone follows the address.
const (
	noAddr = iota
	addr4
	addr6
	addr6Zone
)

func (c *coder) addr(a *netip.Addr) {
	if c.writing {
		c.writeAddr(*a)
	} else {
		*a = c.readAddr()
	}
}

func (c *coder) writeAddr(a netip.Addr) {
	switch {
	case !a.IsValid():
		c.write(noAddr)
	case a.Is4():
		b := a.As4()
		c.out = append(append(c.out, addr4), b[:]...)
	case a.Zone() == "":
		b := a.As16()
		c.out = append(append(c.out, addr6), b[:]...)
	default:
		b := a.As16()
		c.out = append(append(c.out, addr6Zone), b[:]...)
		c.writeString(a.Zone())
	}
}

func (c *coder) readAddr() netip.Addr {
	form := c.read()
	var b4 [4]byte
	var b16 [16]byte
	switch form {
	case noAddr:
		return netip.Addr{}
	case addr4:
		copy(b4[:], c.next(4))
		return netip.AddrFrom4(b4)
	case addr6:
		copy(b16[:], c.next(16))
		return netip.AddrFrom16(b16)
	case addr6Zone:
		copy(b16[:], c.next(16))
		return netip.AddrFrom16(b16).WithZone(c.readString())
	}
	c.fail()
	return netip.Addr{}
}

func (c *coder) addrs(s *[]netip.Addr) {
	for i := range list(c, s) {
		c.addr(&(*s)[i])
	}
}

func (c *coder) prefixes(s *[]netip.Prefix) {
	for i := range list(c, s) {
		c.prefix(&(*s)[i])
	}
}

// prefix codes an address and, plus one, how many of its bits count.
func (c *coder) prefix(p *netip.Prefix) {
	if c.writing {
		c.writeAddr(p.Addr())
		c.write(uint64(p.Bits() + 1))
		return
	}
	a, bits := c.readAddr(), c.read()
	if bits > uint64(a.BitLen()+1) {
		c.fail()
	}
	*p = netip.PrefixFrom(a, int(bits)-1)
}
