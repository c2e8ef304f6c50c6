package announce

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const (
	// batch is how many keys are written in one transaction: etcd allows 128.
	batch = 64
	// callTimeout bounds a write.
	callTimeout = time.Second
)

// claims writes who announces what.
type claims struct {
	client *clientv3.Client
	keys   keys
	node   string
}

// register puts a node's record, and returns the revision at which it stands.
func (c *claims) register(ctx context.Context, id clientv3.LeaseID, m *member) (int64, error) {
	value, err := m.encode()
	if err != nil {
		return 0, fmt.Errorf("announcer's record: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	key := c.keys.members + c.node
	response, err := c.client.Put(ctx, key, value, clientv3.WithLease(id))
	if err != nil {
		return 0, fmt.Errorf("put %s: %w", key, err)
	}
	return response.Header.Revision, nil
}

// take claims those of some addresses that nobody has claimed.
func (c *claims) take(ctx context.Context, id clientv3.LeaseID, addrs []netip.Addr) (int64, error) {
	var ops []clientv3.Op
	for _, addr := range addrs {
		key := c.keys.claim(addr)
		ops = append(ops, clientv3.OpTxn(
			[]clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(key), "=", 0)},
			[]clientv3.Op{clientv3.OpPut(key, c.node, clientv3.WithLease(id))}, nil))
	}
	return c.write(ctx, "claim addresses", ops)
}

// release gives up claims as they were seen. One that has changed since stays.
func (c *claims) release(ctx context.Context, held map[netip.Addr]claim) (int64, error) {
	var ops []clientv3.Op
	for addr, seen := range held {
		key := c.keys.claim(addr)
		ops = append(ops, clientv3.OpTxn(
			[]clientv3.Cmp{clientv3.Compare(clientv3.ModRevision(key), "=", seen.revision)},
			[]clientv3.Op{clientv3.OpDelete(key)}, nil))
	}
	return c.write(ctx, "release addresses", ops)
}

// write carries operations out, and returns the revision at which they are.
func (c *claims) write(ctx context.Context, what string, ops []clientv3.Op) (revision int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	for some := range slices.Chunk(ops, batch) {
		response, err := c.client.Txn(ctx).Then(some...).Commit()
		if err != nil {
			return 0, fmt.Errorf("%s: %w", what, err)
		}
		revision = response.Header.Revision
	}
	return revision, nil
}
