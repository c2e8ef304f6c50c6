package apiserver

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcreg/svcreg/bench/kube"
)

// resource is all objects of a kind, and all that happened to them. Nothing is
// ever compacted: a benchmark is short.
type resource struct {
	version, kind string

	objects map[string]object // by etcd key
	events  []event
	changed chan struct{} // closed at the next event, then another
}

// object is an object as it is sent.
type object struct {
	raw   []byte // for a list
	added []byte // the event that says it exists
}

// event is an event as it is sent, and its revision.
type event struct {
	revision uint64
	frame    []byte
}

func newResource(version, kind string) *resource {
	return &resource{version: version, kind: kind, objects: map[string]object{}, changed: make(chan struct{})}
}

// put stores an object at a revision and appends the event.
func (r *resource) put(revision uint64, o kube.Object) error {
	o.SetResourceVersion(strconv.FormatUint(revision, 10))
	raw, err := o.Marshal()
	if err != nil {
		return err
	}
	added, err := r.frame(watch.Added, r.kind, raw)
	if err != nil {
		return err
	}
	next := event{revision, added}
	key := kube.Key(o)
	if _, exists := r.objects[key]; exists {
		if next.frame, err = r.frame(watch.Modified, r.kind, raw); err != nil {
			return err
		}
	}
	r.objects[key] = object{raw, added}
	r.events = append(r.events, next)
	close(r.changed)
	r.changed = make(chan struct{})
	return nil
}

// list returns a list of all objects.
func (r *resource) list(revision uint64) ([]byte, error) {
	meta := metav1.ListMeta{ResourceVersion: strconv.FormatUint(revision, 10)}
	head, err := meta.Marshal()
	if err != nil {
		return nil, err
	}
	// Every list of the API is a message of its metadata and its items.
	const metadata, items = 1, 2
	body := protowire.AppendBytes(protowire.AppendTag(nil, metadata, protowire.BytesType), head)
	for _, key := range slices.Sorted(maps.Keys(r.objects)) {
		body = protowire.AppendBytes(protowire.AppendTag(body, items, protowire.BytesType), r.objects[key].raw)
	}
	return kube.Wrap(r.version, r.kind+"List", body)
}

// initial returns events that say what exists.
func (r *resource) initial() [][]byte {
	frames := make([][]byte, 0, len(r.objects))
	for _, key := range slices.Sorted(maps.Keys(r.objects)) {
		frames = append(frames, r.objects[key].added)
	}
	return frames
}

// after returns the position of the first event after a revision.
func (r *resource) after(revision uint64) int {
	i, _ := slices.BinarySearchFunc(r.events, revision+1, func(e event, revision uint64) int {
		return cmp.Compare(e.revision, revision)
	})
	return i
}
