package registry

import (
	"fmt"
	"net/netip"
	"strings"
)

// Record is an object in the compact form in which a Snapshot holds it: which
// one it is, and all the rest in one string without pointers. Equal objects
// have equal records.
type Record struct {
	Ref
	data string // not empty
}

// NewRecord returns the record with the data of another one; see Data. Data
// that never was that of an object of this kind is an error.
func NewRecord(r Ref, data string) (Record, error) {
	if !held(r.Kind) {
		return Record{}, fmt.Errorf("%v: a snapshot doesn't hold this kind", r)
	}
	c := readerOf(data, r.Key)
	c.fields(newObject(r))
	if err := c.end(); err != nil {
		return Record{}, fmt.Errorf("%v: %w", r, err)
	}
	return Record{r, data}, nil
}

// Pack returns an object's record.
func Pack(o Object) Record {
	var buf [512]byte
	r := o.Ref()
	c := writerTo(buf[:0], r.Key)
	c.fields(o)
	return Record{r, string(c.out)}
}

// Together moves the data of records that came together into one piece of
// memory: that of many small pieces stays scattered among what was garbage at
// the time. It lasts until the last of the records is gone.
func Together(records []Record) {
	n := 0
	for i := range records {
		n += len(records[i].data)
	}
	var all strings.Builder
	all.Grow(n)
	for i := range records {
		start := all.Len()
		all.WriteString(records[i].data)
		records[i].data = all.String()[start:]
	}
}

// Data returns all of the object but its Ref, for NewRecord. It can be kept
// only where the version of this package is known to stay the same.
func (r Record) Data() string { return r.data }

// Object returns the object, made anew.
func (r Record) Object() Object {
	o := newObject(r.Ref)
	c := readerOf(r.data, r.Key)
	c.fields(o)
	c.must()
	return o
}

// must panics if what was read makes no sense, which NewRecord has ruled out.
func (c *coder) must() {
	if c.damaged {
		panic(errDamaged)
	}
}

// The following read as much of a record as they need.

func unpackService(k Key, data string) *Service {
	s := &Service{Meta: Meta{Kind: KindService, Key: k}}
	c := readerOf(data, k)
	s.fields(&c)
	c.must()
	return s
}

// unpackSubsets returns the subsets of an Endpoints or EndpointSlice.
func unpackSubsets(k Key, data string) []Subset {
	var e Endpoints
	c := readerOf(data, k)
	e.upToSubsets(&c)
	c.must()
	return e.Subsets
}

// unpackMeta returns what stands at the head of each object: its revisions.
func unpackMeta(r Ref, data string) *Meta {
	m := &Meta{Kind: r.Kind, Key: r.Key}
	c := readerOf(data, r.Key)
	m.head(&c)
	c.must()
	return m
}

// The following read what the indexes need of a record, which may be missing.

// portalIPs returns the portal IPs of a service.
func portalIPs(k Key, data string) []netip.Addr {
	var s Service
	if data != "" {
		c := readerOf(data, k)
		s.head(&c)
		c.must()
	}
	return s.PortalIPs
}

// serviceOf returns which service a slice serves; the zero Key for none.
func serviceOf(slice Key, data string) Key {
	var e Endpoints
	if data != "" {
		c := readerOf(data, slice)
		e.head(&c)
		c.must()
	}
	return e.Service
}

// podIPs returns the addresses of a pod that is not finished.
func podIPs(k Key, data string) []netip.Addr {
	var p Pod
	if data != "" {
		c := readerOf(data, k)
		p.head(&c)
		c.must()
	}
	if p.Finished {
		return nil
	}
	return p.IPs
}
