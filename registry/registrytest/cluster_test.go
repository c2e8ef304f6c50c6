package registrytest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// A restored cluster has what the backup had, at the backup's revision; an
// emptied one has nothing. Both have the ID that they were told to have.
func TestRestoreAndEmpty(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 3} {
		t.Run(fmt.Sprintf("%d members", size), func(t *testing.T) {
			t.Parallel()
			members := registrytest.StartCluster(t, size)
			last := members[size-1]
			put(t, last, "/a", "1")
			then := get(t, last)
			backup := last.Backup()
			put(t, last, "/a", "2")
			put(t, last, "/a", "3")

			var restored *clientv3.GetResponse
			for _, id := range []registrytest.Identity{registrytest.SameCluster, registrytest.OtherCluster} {
				registrytest.Restore(members, backup, id)
				restored = get(t, last)
				if got := string(restored.Kvs[0].Value); got != "1" || restored.Header.Revision != then.Header.Revision {
					t.Errorf("restored as the %s cluster: %q at revision %d, want that of the backup, %d",
						id, got, restored.Header.Revision, then.Header.Revision)
				}
				if same := restored.Header.ClusterId == then.Header.ClusterId; same != (id == registrytest.SameCluster) {
					t.Errorf("restored as the %s cluster: ID %x, before %x", id, restored.Header.ClusterId, then.Header.ClusterId)
				}
				put(t, members[0], "/b", "4")
			}
			registrytest.Empty(members, registrytest.OtherCluster)
			if r := get(t, last); r.Count != 0 || r.Header.Revision != 1 || r.Header.ClusterId != restored.Header.ClusterId {
				t.Errorf("emptied: %d keys at revision %d of cluster %x", r.Count, r.Header.Revision, r.Header.ClusterId)
			}
		})
	}
}

func put(t *testing.T, m *registrytest.Member, key, value string) {
	t.Helper()
	retry(t, func(ctx context.Context) error {
		_, err := m.Connect().Put(ctx, key, value)
		return err
	})
}

// get reads /a.
func get(t *testing.T, m *registrytest.Member) (r *clientv3.GetResponse) {
	t.Helper()
	retry(t, func(ctx context.Context) (err error) {
		r, err = m.Connect().Get(ctx, "/a")
		return err
	})
	return r
}

// retry does something until it works: a cluster may have no leader yet.
func retry(t *testing.T, do func(context.Context) error) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		err := do(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
