package events

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/svcreg/svcreg/registry/codec"
)

// Reader reads a registry's events from etcd each time it is asked: nobody
// follows them. Those of an apiserver it reads, too.
type Reader struct {
	Client *clientv3.Client
	Layout codec.Layout
}

// page is how many events are read at a time.
const page = 500

// List returns the events of a namespace, or of all of them where that is
// empty, in the order of their keys, and the revision at which they were so.
// With a name it is the one of that name in the namespace, if there is one.
// What can't be read is left out.
func (r Reader) List(ctx context.Context, namespace, name string) (events []corev1.Event, revision int64, err error) {
	from, to := r.span(namespace, name)
	for {
		options := []clientv3.OpOption{clientv3.WithRange(to), clientv3.WithLimit(page), clientv3.WithRev(revision)}
		response, err := r.Client.Get(ctx, from, options...)
		if err != nil {
			return nil, 0, fmt.Errorf("list %s: %w", from, err)
		}
		if revision == 0 { // the next pages are read at the revision of the first
			revision = response.Header.Revision
		}
		for _, kv := range response.Kvs {
			if e, err := decode(kv); err == nil {
				events = append(events, *e)
			}
			from = string(kv.Key) + "\x00"
		}
		if !response.More {
			return events, revision, nil
		}
	}
}

// span returns the keys of the events that are meant: from one, to another
// that isn't.
func (r Reader) span(namespace, name string) (from, to string) {
	from = Dir(r.Layout)
	if namespace != "" {
		from += namespace + "/"
	}
	if name != "" {
		return from + name, from + name + "\x00"
	}
	return from, clientv3.GetPrefixRangeEnd(from)
}

// Change is what happened to an event at a revision.
type Change struct {
	// Event is as it is now, or as it was if it is Gone.
	Event *corev1.Event
	// New says that it wasn't there before.
	New, Gone bool
}

// ErrCompacted is the error of a watch from a revision that etcd has forgotten.
var ErrCompacted = errors.New("the revision is too old")

// Watch yields what happens after a revision to the events that List would
// return, until ctx ends. The changes of one revision come together.
func (r Reader) Watch(ctx context.Context, namespace, name string, revision int64) iter.Seq2[[]Change, error] {
	return func(yield func([]Change, error) bool) {
		ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
		defer cancel()
		from, to := r.span(namespace, name)
		for response := range r.Client.Watch(ctx, from, clientv3.WithRange(to), clientv3.WithRev(revision+1), clientv3.WithPrevKV()) {
			err := response.Err()
			if errors.Is(err, rpctypes.ErrCompacted) {
				err = ErrCompacted
			}
			if err != nil {
				yield(nil, fmt.Errorf("watch %s: %w", from, err))
				return
			}
			if changes := changesIn(response); len(changes) > 0 && !yield(changes, nil) {
				return
			}
		}
	}
}

func changesIn(response clientv3.WatchResponse) []Change {
	var all []Change
	for _, e := range response.Events {
		c := Change{New: e.IsCreate(), Gone: e.Type == mvccpb.DELETE}
		kv := e.Kv
		if c.Gone {
			if kv = e.PrevKv; kv == nil {
				continue
			}
			kv.ModRevision = e.Kv.ModRevision
		}
		var err error
		if c.Event, err = decode(kv); err == nil {
			all = append(all, c)
		}
	}
	return all
}

// decode reads an event, as JSON or as an apiserver writes it.
func decode(kv *mvccpb.KeyValue) (*corev1.Event, error) {
	e := &corev1.Event{}
	var err error
	if rest, ok := bytes.CutPrefix(kv.Value, []byte("k8s\x00")); ok {
		var u runtime.Unknown
		if err = u.Unmarshal(rest); err == nil {
			err = e.Unmarshal(u.Raw)
		}
	} else {
		err = json.Unmarshal(kv.Value, e)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kv.Key, err)
	}
	parts := strings.Split(string(kv.Key), "/")
	if len(parts) < 2 {
		return nil, fmt.Errorf("%s: want a namespace and a name", kv.Key)
	}
	e.Kind, e.APIVersion = "Event", "v1"
	e.Namespace, e.Name = parts[len(parts)-2], parts[len(parts)-1]
	e.ResourceVersion = strconv.FormatInt(kv.ModRevision, 10)
	return e, nil
}
