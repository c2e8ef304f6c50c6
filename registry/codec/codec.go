// Package codec turns what a registry stores into the model of package
// registry, and back. It owns the layout of etcd keys and every encoding a
// value can have: the JSON of v1beta1, v1beta2, v1beta3 and v1, today's API
// groups discovery.k8s.io and networking.k8s.io, and Kubernetes protobuf.
//
// All versions are read into the types of k8s.io/api, and one conversion for
// each kind leads from there to the model. So an object means the same however
// it is written.
//
// A Document is an object as somebody wrote it, with the version and the
// fields it was written with: what a writer stores, so that nothing gets lost
// that svcreg doesn't know.
//
// The package is pure: it opens no file, reads no clock and starts nothing.
package codec

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/svcreg/svcreg/registry"
)

// ErrEncrypted says that a value is encrypted at rest by an apiserver, and
// can't be read without its keys.
var ErrEncrypted = errors.New("the value is encrypted at rest (k8s:enc:)")

// MaxValueSize is the largest value that is decoded, in bytes. etcd takes
// 1.5 MiB unless it was told otherwise.
const MaxValueSize = 8 << 20

const encryptedPrefix = "k8s:enc:"

// Decode reads a stored value of any encoding. The object is that of r, the
// key, whatever the value says. The error holds a FieldError for each field
// that the model can't represent, wraps ErrEncrypted, or says what is wrong
// with the encoding; there is no object then.
//
// CreateRevision and ModRevision are left for the caller to set.
func Decode(r registry.Ref, value []byte) (registry.Object, error) {
	c := newConversion("", r)
	o := c.decode(value)
	if err := c.err(); err != nil {
		return nil, err
	}
	return o, nil
}

// decode returns the model of a value as far as it can be represented; what
// can't be is in c.errs.
func (c *conversion) decode(value []byte) registry.Object {
	src := c.read(value)
	if src == nil {
		return nil
	}
	return c.object(src)
}

// read reads a value of any encoding into its typed form; nil where that
// failed.
func (c *conversion) read(value []byte) *source {
	switch {
	case len(value) == 0:
		c.failWith(errors.New("the value is empty"))
	case len(value) > MaxValueSize:
		c.failWith(fmt.Errorf("the value has %d bytes: want at most %d", len(value), MaxValueSize))
	case bytes.HasPrefix(value, []byte(encryptedPrefix)):
		c.failWith(ErrEncrypted)
	case isProtobuf(value):
		return c.readProtobuf(value)
	default:
		return c.readJSON(value)
	}
	return nil
}
