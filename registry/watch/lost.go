package watch

import (
	"context"
	"fmt"
)

// lostDataError says that etcd has lost the registry.
type lostDataError struct {
	prefix string
	got    history
}

func (e *lostDataError) Error() string {
	return fmt.Sprintf("etcd has lost its data: cluster %x at revision %d is not what was followed before, and nothing stands below %s",
		e.got.cluster, e.got.revision, e.prefix)
}

// checkLost returns an error if a list comes from an etcd that has lost its
// data: one with nothing below the prefix, and another history than the one
// that the latest snapshot is from. What is known then stays until something
// stands there again; a disk that was lost is no reason for all names to go.
//
// An etcd that goes on in its history and holds nothing was emptied by
// somebody. That is a change like any other.
func (w *Watcher) checkLost(ctx context.Context, l *listing) error {
	s := w.snapshot.Load()
	if l.len() > 0 || s == nil || s.Empty() {
		return nil
	}
	known := history{cluster: w.status.get().ClusterID, revision: s.Revision()}
	if known.cluster == l.history.cluster && !known.behind(l.history) {
		return nil
	}
	prefix := w.decoder.layout.Prefix()
	page, err := w.page(ctx, keyRange{prefix + "/", prefix + "0"}, l.history.revision, 1)
	if err != nil {
		return fmt.Errorf("look for keys below %s: %w", prefix, err)
	}
	if page.Count > 0 {
		return nil
	}
	return &lostDataError{prefix, l.history}
}
