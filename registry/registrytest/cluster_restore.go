package registrytest

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/types"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"
	"go.etcd.io/etcd/server/v3/storage/backend"
	"go.etcd.io/etcd/server/v3/storage/datadir"
	"go.etcd.io/etcd/server/v3/storage/schema"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"
)

// Identity says whether a cluster that starts anew has the ID of the one
// before, which etcd derives from its members' peer URLs and a token.
type Identity string

// The identities.
const (
	SameCluster  Identity = "first"
	OtherCluster Identity = "second"
)

// Backup returns what the member stores, as `etcdctl snapshot save` does.
func (m *Member) Backup() []byte {
	m.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), etcdStartTimeout)
	defer cancel()
	snapshot, err := m.Connect().Snapshot(ctx)
	if err != nil {
		m.tb.Fatalf("back etcd up: %v", err)
	}
	defer func() { _ = snapshot.Close() }()
	backup, err := io.ReadAll(snapshot)
	if err != nil {
		m.tb.Fatalf("back etcd up: %v", err)
	}
	return backup
}

// Restore kills the members of a cluster and starts them anew from a backup,
// as the manual of etcd has it: `etcdutl snapshot restore` for each of them.
// The revision is that of the backup again, the term that of a new cluster.
func Restore(members []*Member, backup []byte, id Identity) {
	renew(members, id, func(m *Member) error { return m.restore(backup) })
}

// Empty kills the members of a cluster and starts them anew with nothing, as
// if their disks were lost.
func Empty(members []*Member, id Identity) {
	renew(members, id, func(*Member) error { return nil })
}

// renew starts members anew after their data was made.
func renew(members []*Member, id Identity, data func(*Member) error) {
	for _, m := range members {
		m.tb.Helper()
		m.Kill()
		m.token = string(id)
		if err := errors.Join(os.RemoveAll(m.dir), data(m)); err != nil {
			m.tb.Fatalf("renew etcd %s: %v", m.name, err)
		}
	}
	startAll(members)
}

const (
	// backupTrailer is the size of the checksum at the end of a backup.
	backupTrailer = 32
	// restoredTerm and restoredIndex are where the log of a restored member
	// begins: behind the entry that made the members.
	restoredTerm, restoredIndex = 1, 1
)

// restore makes the data of a member that is down.
func (m *Member) restore(backup []byte) error {
	file := datadir.ToBackendFileName(m.dir)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(file, backup[:len(backup)-backupTrailer], 0o600); err != nil {
		return err
	}
	urls, err := types.NewURLsMap(m.cluster)
	if err != nil {
		return err
	}
	cluster, err := membership.NewClusterFromURLsMap(zap.NewNop(), m.token, urls)
	if err != nil {
		return err
	}
	if err := restoreMembers(file, cluster); err != nil {
		return err
	}
	return m.restoreLog(cluster)
}

// restoreMembers makes a cluster's members those of a database.
func restoreMembers(file string, cluster *membership.RaftCluster) error {
	db := backend.NewDefaultBackend(zap.NewNop(), file)
	defer func() { _ = db.Close() }()
	stored := schema.NewMembershipBackend(zap.NewNop(), db)
	if err := stored.TrimMembershipFromBackend(); err != nil {
		return err
	}
	for _, member := range cluster.Members() {
		stored.MustSaveMemberToBackend(member)
	}
	tx := db.BatchTx()
	tx.LockOutsideApply()
	defer tx.Unlock()
	schema.UnsafeUpdateConsistentIndexForce(tx, restoredIndex, restoredTerm)
	return nil
}

// restoreLog makes the log of a member, which says who it is and that the
// database is all there was.
func (m *Member) restoreLog(cluster *membership.RaftCluster) error {
	var voters []uint64
	for _, id := range cluster.MemberIDs() {
		voters = append(voters, uint64(id))
	}
	metadata, err := proto.Marshal(&etcdserverpb.Metadata{
		NodeID: new(uint64(cluster.MemberByName(m.name).ID)), ClusterID: new(uint64(cluster.ID())),
	})
	if err != nil {
		return err
	}
	log, err := wal.Create(zap.NewNop(), datadir.ToWALDir(m.dir), metadata)
	if err != nil {
		return err
	}
	state := &raftpb.HardState{Term: new(uint64(restoredTerm)), Commit: new(uint64(restoredIndex))}
	return errors.Join(log.Save(state, nil), log.SaveSnapshot(&walpb.Snapshot{
		Index: new(uint64(restoredIndex)), Term: new(uint64(restoredTerm)), ConfState: &raftpb.ConfState{Voters: voters},
	}), log.Close())
}
