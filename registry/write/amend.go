package write

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// Also is what an Amend carries out in its own transaction beside the object:
// keys that belong to whoever amends it, and what must hold of them.
type Also struct {
	Conditions []clientv3.Cmp
	Ops        []clientv3.Op
}

// Writable returns a ForeignError if the registry is one that a Writer leaves
// alone.
func (w *Writer) Writable(ctx context.Context) error {
	v, err := w.read(ctx, networksRef)
	if err == nil {
		err = w.permit(ctx, v)
	}
	if err != nil {
		return fmt.Errorf("write to %s: %w", w.layout.Prefix(), err)
	}
	return nil
}

// Amend changes some fields of a stored object in place, for a controller that
// owns those fields, and leaves the others as they are, and the object's lease:
// there is no merging and no validating, and portal IPs are no business of it.
// Edit gets the document, nil where there is none, and changes it as it likes,
// which without a document does nothing. Where neither the document changes nor
// is there anything to do beside it, nothing is written.
//
// Amend makes one attempt, and returns the revision of what it wrote, zero for
// nothing. The errors are edit's, ForeignError, ErrChanged where the object
// changed meanwhile or a condition doesn't hold, those of codec, and etcd's.
func (w *Writer) Amend(ctx context.Context, r registry.Ref, edit func(*codec.Document) (Also, error)) (int64, error) {
	revision, err := w.tryAmend(ctx, r, edit)
	if err != nil {
		return 0, fmt.Errorf("amend %s: %w", r, err)
	}
	return revision, nil
}

func (w *Writer) tryAmend(ctx context.Context, r registry.Ref, edit func(*codec.Document) (Also, error)) (int64, error) {
	v, err := w.look(ctx, r, Condition{})
	if err != nil {
		return 0, err
	}
	also, err := v.amended(edit)
	if err != nil || len(also.Ops) == 0 {
		return 0, err
	}
	conditions := append(append(w.noApiserver(), v.unchanged()), also.Conditions...)
	response, err := w.client.Txn(ctx).If(conditions...).Then(also.Ops...).Commit()
	if err != nil {
		return 0, fmt.Errorf("write %s: %w", v.key, err)
	}
	if !response.Succeeded {
		return 0, ErrChanged
	}
	w.ledger.wrote(response.Header.Revision, r.Key, nil, nil)
	return response.Header.Revision, nil
}

// amended returns what is to be done, the object's own key among it if edit
// changed the object.
func (v *view) amended(edit func(*codec.Document) (Also, error)) (Also, error) {
	if v.stored == nil {
		return edit(nil)
	}
	d, err := codec.ParseValue(v.ref, v.stored.Value)
	if err != nil {
		return Also{}, err
	}
	before, err := d.JSON()
	if err != nil {
		return Also{}, err
	}
	also, err := edit(d)
	if err != nil {
		return Also{}, err
	}
	after, err := d.JSON()
	if err != nil || string(after) == string(before) {
		return also, err
	}
	value, err := d.Value()
	also.Ops = append(also.Ops, clientv3.OpPut(v.key, string(value), clientv3.WithLease(clientv3.LeaseID(v.stored.Lease))))
	return also, err
}
