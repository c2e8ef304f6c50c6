package main

import (
	"context"
	"errors"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
)

// event is what happened to an object.
type event string

// The events, as Kubernetes calls them.
const (
	added    event = "ADDED"
	modified event = "MODIFIED"
	deleted  event = "DELETED"
)

// watch shows every change from a revision on until the context ends.
func (a *app) watch(ctx context.Context, r *registryClient, q *query, revision int64, out output) error {
	wanted := map[registry.Ref]bool{}
	for _, ref := range q.refs() {
		wanted[ref] = true
	}
	err := r.follow(ctx, place(r.layout, q.resource.kind, q.namespace), revision, func(e *clientv3.Event) (bool, error) {
		if ref, ok := r.layout.Ref(string(e.Kv.Key)); ok && len(wanted) > 0 && !wanted[ref] {
			return true, nil
		}
		return true, a.showEvent(r, e, out)
	})
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// showEvent shows one change. What is gone is shown as it was.
func (a *app) showEvent(r *registryClient, e *clientv3.Event, out output) error {
	kind, kv := modified, e.Kv
	switch {
	case e.IsCreate():
		kind = added
	case e.Type == clientv3.EventTypeDelete:
		kind = deleted
		if kv = e.PrevKv; kv == nil {
			return nil // compacted away meanwhile
		}
	}
	it, err := decode(r.layout, kv)
	if err != nil {
		a.report(err)
		return nil
	}
	return errors.Join(out.add(kind, it), out.flush())
}
