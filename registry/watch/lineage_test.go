package watch

import (
	"fmt"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// etcd is restored from a backup out of sight, and grows past the revision
// that was seen: what the backup lacks must go all the same.
func TestRestoredAndOutgrown(t *testing.T) {
	t.Parallel()
	members := registrytest.StartCluster(t, 1)
	endpoint := registrytest.Endpoints(members...)[0]
	client := connect(t, endpoint)
	putService(t, client, "kept", "10.0.0.1")
	backup := members[0].Backup()
	putService(t, client, "after", "10.0.0.2")
	wire := newWire(t, endpoint)
	h := start(t, connect(t, wire.endpoint()), withSilence(patience))
	h.awaitService("after", "10.0.0.2")
	h.awaitSynced()
	seen := h.Status()

	wire.cut()
	registrytest.Restore(members, backup, registrytest.SameCluster)
	for i := range 3 {
		putService(t, client, "later", fmt.Sprintf("10.0.1.%d", i+1))
	}
	wire.mend(endpoint)
	h.awaitService("later", "10.0.1.3")
	s := h.awaitGone("after")
	if portalIP(s, "kept") != "10.0.0.1" {
		t.Error("what was there all the time is gone")
	}
	if got := h.Status(); s.Revision() <= seen.Revision || got.ClusterID != seen.ClusterID || !strings.Contains(h.log(), "another history") {
		t.Errorf("revision %d, cluster %x; before %d, %x: the test wants what only the log gives away:\n%s",
			s.Revision(), got.ClusterID, seen.Revision, seen.ClusterID, h.log())
	}
}

// A connection that was lost and is back is no reason to list again, also if
// etcd was restarted meanwhile or much was written.
func TestReconnectWithoutAnotherList(t *testing.T) {
	t.Parallel()
	members := registrytest.StartCluster(t, 1)
	endpoint := registrytest.Endpoints(members...)[0]
	client := connect(t, endpoint)
	wire := newWire(t, endpoint)
	h := start(t, connect(t, wire.endpoint()), withSilence(patience))
	h.awaitSynced()
	for i := range 3 {
		wire.cut()
		members[0].Kill()
		members[0].Start()
		for j := range 20 {
			putService(t, client, "a", fmt.Sprintf("10.0.%d.%d", i, j+1))
		}
		wire.mend(endpoint)
		h.awaitService("a", fmt.Sprintf("10.0.%d.20", i))
	}
	if s := h.Status(); s.Lists != 1 || s.WatchRestarts != 0 {
		t.Errorf("status %+v, want one list and no restart", s)
	}
}
