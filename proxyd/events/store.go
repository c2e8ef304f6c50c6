package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// Dir returns what the keys of events begin with.
func Dir(l codec.Layout) string { return l.Prefix() + "/events/" }

// store keeps events in etcd.
type store struct {
	client *clientv3.Client
	layout codec.Layout
	writer *write.Writer
	lease  lease
}

func newStore(c *Config) *store {
	return &store{client: c.Client, layout: c.Layout, writer: write.New(c.Client, c.Layout, write.Options{})}
}

// look implements keeper.
func (s *store) look(ctx context.Context, services []registry.Key) (map[registry.Key]subject, error) {
	if err := s.writer.Writable(ctx); err != nil {
		return nil, err
	}
	var ops []clientv3.Op
	for _, k := range services {
		ops = append(ops, clientv3.OpGet(s.layout.Key(registry.Ref{Kind: registry.KindService, Key: k})))
	}
	response, err := s.client.Txn(ctx).Then(ops...).Commit()
	if err != nil {
		return nil, fmt.Errorf("read the services of events: %w", err)
	}
	found := map[registry.Key]subject{}
	for i, answer := range response.Responses {
		for _, kv := range answer.GetResponseRange().Kvs {
			of := subject{revision: kv.ModRevision}
			ref := registry.Ref{Kind: registry.KindService, Key: services[i]}
			if o, err := codec.Decode(ref, kv.Value); err == nil { // else its uid isn't known
				of.uid = o.Metadata().UID
			}
			found[services[i]] = of
		}
	}
	return found, nil
}

// put implements keeper.
func (s *store) put(ctx context.Context, events []entry) error {
	id, err := s.lease.get(ctx, s.client, len(events))
	if err != nil {
		return err
	}
	var ops []clientv3.Op
	for _, e := range events {
		value, err := json.Marshal(e.Event)
		if err != nil {
			return fmt.Errorf("event %s/%s: %w", e.Namespace, e.Name, err)
		}
		ops = append(ops, clientv3.OpPut(Dir(s.layout)+e.Namespace+"/"+e.Name, string(value), clientv3.WithLease(id)))
	}
	if _, err := s.client.Txn(ctx).Then(ops...).Commit(); err != nil {
		if errors.Is(err, rpctypes.ErrLeaseNotFound) {
			s.lease = lease{}
		}
		return fmt.Errorf("put %d events below %s: %w", len(events), Dir(s.layout), err)
	}
	return nil
}

const (
	// leaseTime is for how long events are put under the same lease. The lease
	// lasts so much longer than they have to.
	leaseTime = 5 * time.Minute
	// leaseKeys is how many are, at most: etcd deletes them in one go.
	leaseKeys = 1000
)

// lease is what ends events. The zero lease has to be asked for.
type lease struct {
	id    clientv3.LeaseID
	until time.Time
	keys  int
}

// get returns a lease for some more events.
func (l *lease) get(ctx context.Context, client *clientv3.Client, keys int) (clientv3.LeaseID, error) {
	if l.id == 0 || l.keys+keys > leaseKeys || !time.Now().Before(l.until) {
		asked := time.Now()
		response, err := client.Grant(ctx, int64((TTL+leaseTime)/time.Second))
		if err != nil {
			return 0, fmt.Errorf("a lease for events: %w", err)
		}
		*l = lease{id: response.ID, until: asked.Add(leaseTime)}
	}
	l.keys += keys
	return l.id, nil
}
