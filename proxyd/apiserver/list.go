package apiserver

import (
	"cmp"
	"net/http"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/svcreg/svcreg/registry"
)

// get answers with one object.
func (s *Server) get(w http.ResponseWriter, t *target, f form, snapshot *registry.Snapshot) error {
	k := registry.Key{Namespace: t.namespace, Name: t.name}
	o := snapshot.Object(registry.Ref{Kind: t.kind, Key: k})
	if o == nil && t.kind == registry.KindNamespace && snapshot.HasNamespace(t.name) {
		// There are services in it, so it is there; kubectl looks for the
		// namespace of whatever it doesn't find.
		o = &registry.Namespace{Meta: registry.Meta{Kind: t.kind, Key: k}}
	}
	if o == nil {
		return apierrors.NewNotFound(t.groupResource(), t.name)
	}
	if f.table {
		meta := metav1.ListMeta{ResourceVersion: versionText(o.Metadata().ModRevision)}
		table, err := t.table(f, meta, o)
		if err == nil {
			writeJSON(w, http.StatusOK, table)
		}
		return err
	}
	content, err := t.content(o)
	if err == nil {
		writeJSON(w, http.StatusOK, content)
	}
	return err
}

// list answers with the objects that are meant, or a page of them.
func (s *Server) list(w http.ResponseWriter, t *target, f form, o *options, snapshot *registry.Snapshot) error {
	objects, meta := o.page(snapshot)
	if f.table {
		table, err := t.table(f, meta, objects...)
		if err == nil {
			writeJSON(w, http.StatusOK, table)
		}
		return err
	}
	items := make([]any, 0, len(objects))
	for _, o := range objects {
		content, err := t.content(o)
		if err != nil {
			return err
		}
		items = append(items, content)
	}
	writeJSON(w, http.StatusOK, t.listOf(meta, items))
	return nil
}

// page returns the objects that are meant, in the order of their keys, from
// where the page before ended and at most as many as a page has.
func (o *options) page(snapshot *registry.Snapshot) (objects []registry.Object, meta metav1.ListMeta) {
	meta.ResourceVersion = versionText(snapshot.Revision())
	keys := o.keys(snapshot)
	for i, k := range keys {
		object := snapshot.Object(registry.Ref{Kind: o.kind, Key: k})
		if !o.matches(object) {
			continue
		}
		if o.limit > 0 && len(objects) == o.limit {
			last := objects[len(objects)-1].Ref().Key
			meta.Continue = (&position{snapshot.Revision(), last.Namespace + "/" + last.Name}).String()
			if rest := int64(len(keys) - i); !o.narrow() {
				meta.RemainingItemCount = &rest
			}
			break
		}
		objects = append(objects, object)
	}
	return objects, meta
}

// keys returns the keys of all that may be on the page, in order. They share
// their strings with the snapshot.
func (o *options) keys(snapshot *registry.Snapshot) []registry.Key {
	if o.name != "" {
		return []registry.Key{{Namespace: o.namespace, Name: o.name}}
	}
	var keys []registry.Key
	for r := range snapshot.Records() {
		if r.Kind != o.kind || !o.has(r.Key) {
			continue
		}
		if o.from == nil || compareKeys(r.Key, o.from.key()) > 0 {
			keys = append(keys, r.Key)
		}
	}
	slices.SortFunc(keys, compareKeys)
	return keys
}

// compareKeys orders keys as etcd does, where a slash stands behind the
// namespace.
func compareKeys(a, b registry.Key) int {
	if a.Namespace == b.Namespace {
		return strings.Compare(a.Name, b.Name)
	}
	n := min(len(a.Namespace), len(b.Namespace))
	switch c := strings.Compare(a.Namespace[:n], b.Namespace[:n]); {
	case c != 0:
		return c
	case len(a.Namespace) == n:
		return cmp.Compare('/', b.Namespace[n])
	}
	return cmp.Compare(a.Namespace[n], '/')
}
