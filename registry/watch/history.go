package watch

import (
	"fmt"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
)

// history is where in the life of which etcd cluster we are. Revisions and
// terms only grow; an etcd that was restored from a backup, or emptied, shows
// smaller ones, one that was replaced shows another ID.
type history struct {
	cluster  uint64
	revision int64
	term     uint64
}

func historyOf(h *etcdserverpb.ResponseHeader) history {
	return history{h.ClusterId, h.Revision, h.RaftTerm}
}

// behind reports whether h looks older than what was seen before. A member
// that lags behind the others does, too.
func (known history) behind(h history) bool {
	return h.revision < known.revision || h.term < known.term
}

// advance returns the later of both.
func (known history) advance(h history) history {
	return history{known.cluster, max(known.revision, h.revision), max(known.term, h.term)}
}

// otherClusterError says that the answer came from another etcd cluster.
type otherClusterError struct{ known, got uint64 }

func (e *otherClusterError) Error() string {
	return fmt.Sprintf("etcd is another cluster: ID %x, before %x", e.got, e.known)
}

// restoredError says that etcd has forgotten what we have seen already.
type restoredError struct{ known, got history }

func (e *restoredError) Error() string {
	return fmt.Sprintf("etcd went back in time: revision %d, term %d; before %d, term %d",
		e.got.revision, e.got.term, e.known.revision, e.known.term)
}
