// Package registrytest helps tests of everything that reads or writes a
// registry: an etcd in the process, clusters of etcds that can be killed and
// restored, and snapshots written as manifests.
package registrytest

import (
	"testing"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// Snapshot returns the registry that holds the objects of some manifests, in
// YAML or JSON of any API version. They count as created one after another:
// the first at revision 1, the next at 2, and so on.
func Snapshot(tb testing.TB, manifests string) *registry.Snapshot {
	tb.Helper()
	documents, err := codec.ParseDocuments("manifests", []byte(manifests))
	if err != nil {
		tb.Fatal(err)
	}
	var objects []registry.Object
	for i, d := range documents {
		o, err := d.Object()
		if err != nil {
			tb.Fatal(err)
		}
		o.Metadata().CreateRevision = int64(i + 1)
		o.Metadata().ModRevision = int64(i + 1)
		objects = append(objects, o)
	}
	return registry.Build(int64(len(objects)), objects...)
}
