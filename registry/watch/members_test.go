package watch

import (
	"fmt"
	"slices"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// others returns a client of all members but one.
func others(t *testing.T, members []*registrytest.Member, i int) *clientv3.Client {
	t.Helper()
	return connect(t, registrytest.Endpoints(slices.Delete(slices.Clone(members), i, i+1)...)...)
}

// Whichever member goes, changes keep coming from the others.
func TestMemberLoss(t *testing.T) {
	t.Parallel()
	for name, loss := range map[string]struct{ gone, back func(*registrytest.Member) }{
		"killed": {(*registrytest.Member).Kill, (*registrytest.Member).Start},
		"paused": {(*registrytest.Member).Pause, (*registrytest.Member).Resume},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			members := registrytest.StartCluster(t, 3)
			h := start(t, connect(t, registrytest.Endpoints(members...)...))
			h.awaitSynced()
			for i, m := range members {
				loss.gone(m)
				ip := fmt.Sprintf("10.0.0.%d", i+1)
				putService(t, others(t, members, i), name, ip)
				h.awaitService(name, ip)
				loss.back(m)
				h.awaitStatus("everything to be well", func(s Status) bool { return s.Synced && s.Connected })
			}
		})
	}
}

// The only etcd hangs, and is killed: what was known stays.
func TestOnlyMemberLost(t *testing.T) {
	t.Parallel()
	members := registrytest.StartCluster(t, 1)
	client := connect(t, registrytest.Endpoints(members...)...)
	putService(t, client, "a", "10.0.0.1")
	h := start(t, client)
	h.awaitService("a", "10.0.0.1")
	h.awaitSynced()
	for name, loss := range map[string]struct{ gone, back func() }{
		"paused": {members[0].Pause, members[0].Resume},
		"killed": {members[0].Kill, members[0].Start},
	} {
		loss.gone()
		h.awaitStatus(name+" to show", func(s Status) bool { return !s.Connected && !s.Synced && s.LastError != nil })
		if portalIP(h.Snapshot(), "a") == "" {
			t.Errorf("%s: the service is gone", name)
		}
		loss.back()
		h.awaitStatus(name+" to be over", func(s Status) bool { return s.Synced })
		putService(t, client, name, "10.0.0.2")
		h.awaitService(name, "10.0.0.2")
	}
}
