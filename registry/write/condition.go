package write

import (
	"context"
	"errors"
	"fmt"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

var (
	// ErrExists says that the object is there already, where a Condition
	// wants it absent.
	ErrExists = errors.New("already exists")
	// ErrChanged says that the object was written since the revision of a
	// Condition.
	ErrChanged = errors.New("it was changed since it was read")
)

// Condition is what must hold of the stored object for a write to be made. It
// is checked in the write's own transaction. The zero Condition always holds.
type Condition struct {
	// Absent and Present say that there must be no such object, or one; else
	// the error is ErrExists, or ErrNotFound.
	Absent, Present bool
	// Revision, if not zero, is when the object must have been written last;
	// else the error is ErrChanged.
	Revision int64
}

// check tells whether the condition holds in a view.
func (c Condition) check(v *view) error {
	switch {
	case c.Absent && v.stored != nil:
		return ErrExists
	case c.Present && v.stored == nil:
		return ErrNotFound
	case c.Revision != 0 && (v.stored == nil || v.stored.ModRevision != c.Revision):
		return ErrChanged
	}
	return nil
}

// Read returns an object as it is stored now, and the revision at which it was
// written, which is what a Condition takes. The errors are ErrNotFound, those
// of codec, and etcd's.
func (w *Writer) Read(ctx context.Context, r registry.Ref) (*codec.Document, int64, error) {
	key := w.layout.Key(r)
	response, err := w.client.Get(ctx, key)
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", key, err)
	}
	if len(response.Kvs) == 0 {
		return nil, 0, fmt.Errorf("read %s: %w", r, ErrNotFound)
	}
	d, err := codec.ParseValue(r, response.Kvs[0].Value)
	if err != nil {
		return nil, 0, fmt.Errorf("read %s: %w", r, err)
	}
	return d, response.Kvs[0].ModRevision, nil
}
