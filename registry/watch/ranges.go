package watch

import (
	"slices"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// keyRange is a range of etcd keys: from is in it, to is the first that isn't.
type keyRange struct{ from, to string }

// rangesOf returns the ranges that hold all objects of those kinds: the
// directories right below the prefix. What shares such a directory, as
// services and their Endpoints do, is followed by one watch, so that nobody
// sees half a transaction. Of nodes it may be the key of one.
func rangesOf(layout codec.Layout, kinds []registry.Kind, node string) []keyRange {
	root := layout.Prefix() + "/"
	var dirs []string
	var ranges []keyRange
	for _, k := range kinds {
		if k == registry.KindNode && node != "" {
			ranges = append(ranges, rangeOf(layout, k, node))
			continue
		}
		dir, _, _ := strings.Cut(strings.TrimPrefix(layout.Dir(k), root), "/")
		dirs = append(dirs, root+dir+"/")
	}
	slices.Sort(dirs)
	for _, dir := range slices.Compact(dirs) {
		ranges = append(ranges, keyRange{dir, clientv3.GetPrefixRangeEnd(dir)})
	}
	return ranges
}

// listsOf returns the range of each kind's objects, each kind once.
func listsOf(layout codec.Layout, kinds []registry.Kind, node string) []keyRange {
	var lists []keyRange
	for _, k := range slices.Compact(slices.Sorted(slices.Values(kinds))) {
		lists = append(lists, rangeOf(layout, k, node))
	}
	return lists
}

// rangeOf returns the range of the objects of a kind, or of one node.
func rangeOf(layout codec.Layout, k registry.Kind, node string) keyRange {
	if k == registry.KindNode && node != "" {
		key := layout.Key(registry.Ref{Kind: k, Key: registry.Key{Name: node}})
		return keyRange{key, key + "\x00"}
	}
	dir := layout.Dir(k)
	return keyRange{dir, clientv3.GetPrefixRangeEnd(dir)}
}
