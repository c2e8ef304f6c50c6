package watch

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// An etcd that comes back with nothing has lost its data: what is known stays,
// also over a restart, until something stands below the prefix again.
func TestEtcdLostItsData(t *testing.T) {
	t.Parallel()
	for _, id := range []registrytest.Identity{registrytest.SameCluster, registrytest.OtherCluster} {
		t.Run(string(id), func(t *testing.T) {
			t.Parallel()
			members := registrytest.StartCluster(t, 1)
			client := connect(t, registrytest.Endpoints(members...)...)
			for i := range 5 {
				putService(t, client, "a", fmt.Sprintf("10.0.0.%d", i+1))
			}
			file := filepath.Join(t.TempDir(), "snapshot")
			h := start(t, client, withFile(file))
			h.awaitService("a", "10.0.0.5")
			h.awaitSynced()

			registrytest.Empty(members, id)
			lost := func(s Status) bool {
				return !s.Synced && s.Connected && s.LastError != nil && strings.Contains(s.LastError.Error(), "nothing stands below /registry")
			}
			h.awaitStatus("the loss to show", lost)
			h.stop()
			if n := strings.Count(h.log(), "etcd has lost its data"); n != 1 {
				t.Errorf("the loss was logged %d times, want once:\n%s", n, h.log())
			}
			h = start(t, client, withFile(file))
			h.awaitStatus("the loss to show after a restart", lost)
			if s := h.Status(); !s.FromDisk || portalIP(h.Snapshot(), "a") != "10.0.0.5" {
				t.Errorf("status %+v, a is %q: want what was known", s, portalIP(h.Snapshot(), "a"))
			}

			do(t, client, clientv3.OpPut("/registry/svcreg/owner", "svcreg")) // as `svcctl init` does
			h.awaitGone("a")
			h.awaitSynced()
		})
	}
}

// What somebody deletes is gone, whether that was seen or happened while etcd
// was out of reach.
func TestEmptiedRegistryIsTheTruth(t *testing.T) {
	empty := clientv3.OpDelete("/registry/", clientv3.WithPrefix())
	e := registrytest.StartEtcd(t)
	wire := newWire(t, e.Endpoint())
	putService(t, e.Client(), "a", "10.0.0.1")
	h := start(t, connect(t, wire.endpoint()))
	h.awaitService("a", "10.0.0.1")
	h.awaitSynced()
	do(t, e.Client(), empty)
	h.awaitGone("a")

	putService(t, e.Client(), "b", "10.0.0.2")
	h.awaitService("b", "10.0.0.2")
	wire.cut()
	h.awaitStatus("the loss to show", func(s Status) bool { return !s.Synced })
	do(t, e.Client(), empty)
	wire.mend(e.Endpoint())
	h.awaitGone("b")
	h.awaitSynced()
}
