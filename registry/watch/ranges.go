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
// sees half a transaction.
func rangesOf(layout codec.Layout, kinds []registry.Kind) []keyRange {
	root := layout.Prefix() + "/"
	var dirs []string
	for _, k := range kinds {
		dir, _, _ := strings.Cut(strings.TrimPrefix(layout.Dir(k), root), "/")
		dirs = append(dirs, root+dir+"/")
	}
	slices.Sort(dirs)
	var ranges []keyRange
	for _, dir := range slices.Compact(dirs) {
		ranges = append(ranges, keyRange{dir, clientv3.GetPrefixRangeEnd(dir)})
	}
	return ranges
}
