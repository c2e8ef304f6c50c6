package main

import (
	"cmp"
	"context"
	"fmt"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// item is an object together with the value that stores it.
type item struct {
	registry.Object
	value []byte
}

// listing is what a part of the registry holds at one revision.
type listing struct {
	items    []item
	failures []error // one for each value that can't be read
	revision int64
}

// pageSize is how many objects are read at once.
const pageSize = 500

// place returns where objects of a kind are stored: those of one namespace, or
// all of them if it is empty.
func place(l codec.Layout, kind registry.Kind, namespace string) string {
	if namespace == "" || !codec.Namespaced(kind) {
		return l.Dir(kind)
	}
	return l.Dir(kind) + namespace + "/"
}

// list reads all objects whose keys begin with dir.
func (r *registryClient) list(ctx context.Context, dir string) (*listing, error) {
	result := &listing{}
	for from, end := dir, clientv3.GetPrefixRangeEnd(dir); ; {
		response, err := r.page(ctx, from, end, result.revision)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", dir, err)
		}
		if result.revision == 0 {
			result.revision = response.Header.Revision
		}
		for _, kv := range response.Kvs {
			result.add(r.layout, kv)
		}
		if !response.More {
			return result, nil
		}
		from = string(response.Kvs[len(response.Kvs)-1].Key) + "\x00"
	}
}

// snapshot reads all objects whose keys begin with one of some dirs, as of the
// revision at which the first was read, or later. What can't be read is reported.
func (a *app) snapshot(ctx context.Context, r *registryClient, dirs []string) (*registry.Snapshot, error) {
	var objects []registry.Object
	var revision int64
	for _, dir := range dirs {
		found, err := r.list(ctx, dir)
		if err != nil {
			return nil, err
		}
		for _, it := range found.items {
			objects = append(objects, it.Object)
		}
		for _, failure := range found.failures {
			a.report(failure)
		}
		revision = cmp.Or(revision, found.revision)
	}
	return registry.Build(revision, objects...), nil
}

func (r *registryClient) page(ctx context.Context, from, end string, revision int64) (*clientv3.GetResponse, error) {
	ctx, cancel := r.within(ctx)
	defer cancel()
	return r.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(pageSize), clientv3.WithRev(revision))
}

// find reads some objects; one that isn't there is a failure.
func (r *registryClient) find(ctx context.Context, refs []registry.Ref) (*listing, error) {
	result := &listing{}
	for _, ref := range refs {
		response, err := r.page(ctx, r.layout.Key(ref), "", 0)
		if err != nil {
			return nil, fmt.Errorf("get %s: %w", ref, err)
		}
		result.revision = max(result.revision, response.Header.Revision)
		if len(response.Kvs) == 0 {
			result.failures = append(result.failures, fmt.Errorf("%s: not found", ref))
			continue
		}
		result.add(r.layout, response.Kvs[0])
	}
	return result, nil
}

func (l *listing) add(layout codec.Layout, kv *mvccpb.KeyValue) {
	it, err := decode(layout, kv)
	if err != nil {
		l.failures = append(l.failures, err)
		return
	}
	l.items = append(l.items, it)
}

// decode reads a stored value. The error names its key.
func decode(layout codec.Layout, kv *mvccpb.KeyValue) (item, error) {
	ref, ok := layout.Ref(string(kv.Key))
	if !ok {
		return item{}, fmt.Errorf("%s: not the key of an object", kv.Key)
	}
	object, err := codec.Decode(ref, kv.Value)
	if err != nil {
		return item{}, fmt.Errorf("%s: %w", kv.Key, err)
	}
	meta := object.Metadata()
	meta.CreateRevision, meta.ModRevision = kv.CreateRevision, kv.ModRevision
	return item{object, kv.Value}, nil
}
