package write

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// ledger remembers who holds which portal IP and which node port. It is read from
// etcd in full once, and then brought up to date with what changed since: that
// shows what was taken but not what was set free. So what it calls free is free,
// and what it calls held may be free by now; whoever minds starts anew with forget.
type ledger struct {
	client *clientv3.Client
	layout codec.Layout

	takeOver bool // whether an address whose service is gone counts as free

	mu         sync.Mutex
	revision   int64 // what was taken up to it is known; zero for nothing
	complete   bool  // what was set free up to it is known, too
	holders    map[netip.Addr]registry.Key
	leaks      map[netip.Addr]*leak
	ports      map[uint16]registry.Key // who holds which node port
	kubernetes string                  // the key of some service that an apiserver wrote
}

// leak is an IPAddress object whose service is gone, or has another address:
// whoever needs the address may take the object over while both stand as they
// were seen.
type leak struct {
	object      *mvccpb.KeyValue
	serviceKey  string
	serviceSeen int64 // the service's ModRevision; zero if there is none
}

func newLedger(client *clientv3.Client, layout codec.Layout, takeOver bool) *ledger {
	return &ledger{client: client, layout: layout, takeOver: takeOver}
}

// forget makes the next look read everything again.
func (l *ledger) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.revision = 0
}

// at calls look with a ledger that knows what was taken up to a revision. If
// look finds something in its way, it is called again with a ledger that knows
// what was set free, too.
func (l *ledger) at(ctx context.Context, revision int64, look func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if err := l.sync(ctx, revision); err != nil {
			return fmt.Errorf("read who holds portal IPs and node ports: %w", err)
		}
		if err := look(); err == nil || l.complete {
			return err
		}
		l.revision = 0
	}
}

// kubernetesKey returns the key of a service that an apiserver wrote, or "".
func (l *ledger) kubernetesKey(ctx context.Context, revision int64) (key string, err error) {
	err = l.at(ctx, revision, func() error { key = l.kubernetes; return nil })
	return key, err
}

// wrote notes what this writer itself changed, so that the next sync has
// nothing to read if nobody else wrote in between.
func (l *ledger) wrote(revision int64, service registry.Key, taken []netip.Addr, ports []uint16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.revision == 0 {
		return
	}
	for _, addr := range taken {
		l.holders[addr] = service
		delete(l.leaks, addr)
	}
	for _, port := range ports {
		l.ports[port] = service
	}
	l.complete = false
	if l.revision == revision-1 {
		l.revision = revision
	}
}

func (l *ledger) sync(ctx context.Context, revision int64) error {
	if l.revision >= revision {
		return nil
	}
	since := l.revision
	if since == 0 {
		l.holders, l.leaks, l.kubernetes = map[netip.Addr]registry.Key{}, map[netip.Addr]*leak{}, ""
		l.ports = map[uint16]registry.Key{}
	}
	response, err := l.changed(ctx, since)
	if err != nil {
		return err
	}
	services, addresses := response.Responses[0].GetResponseRange().Kvs, response.Responses[1].GetResponseRange().Kvs
	seen := map[registry.Key]int64{}
	for _, kv := range services {
		l.addService(kv, seen)
	}
	for _, kv := range addresses {
		l.addAddress(kv, seen, since == 0)
	}
	l.revision, l.complete = response.Header.Revision, since == 0
	return nil
}

// changed returns the services and the IPAddress objects that were written
// after a revision, both as they are at one moment.
func (l *ledger) changed(ctx context.Context, since int64) (*clientv3.TxnResponse, error) {
	options := []clientv3.OpOption{clientv3.WithPrefix()}
	if since > 0 {
		options = append(options, clientv3.WithMinModRev(since+1))
	}
	return l.client.Txn(ctx).Then(
		clientv3.OpGet(l.layout.Dir(registry.KindService), options...),
		clientv3.OpGet(l.layout.Dir(registry.KindIPAddress), options...),
	).Commit()
}

// unreadable stands for the ModRevision of a service that can't be read.
const unreadable = -1

// addService notes the portal IPs and node ports of a service. Of one that can't
// be read only the IPAddress objects tell the former, and nobody the latter.
func (l *ledger) addService(kv *mvccpb.KeyValue, seen map[registry.Key]int64) {
	ref, ok := l.layout.Ref(string(kv.Key))
	if !ok {
		return
	}
	if isKubernetes(kv.Value) {
		l.kubernetes = cmp.Or(l.kubernetes, string(kv.Key))
	}
	object, err := codec.Decode(ref, kv.Value)
	if err != nil {
		seen[ref.Key] = unreadable
		return
	}
	seen[ref.Key] = kv.ModRevision
	service := object.(*registry.Service)
	for _, addr := range service.PortalIPs {
		l.holders[addr] = ref.Key
	}
	for _, port := range nodePorts(service) {
		l.ports[port] = ref.Key
	}
}

// addAddress notes what an IPAddress object says. With all services seen, one
// that its service doesn't confirm is a leak.
func (l *ledger) addAddress(kv *mvccpb.KeyValue, seen map[registry.Key]int64, allSeen bool) {
	ref, ok := l.layout.Ref(string(kv.Key))
	if !ok {
		return
	}
	addr, err := netip.ParseAddr(ref.Name)
	if err != nil {
		return
	}
	if _, held := l.holders[addr]; held && allSeen {
		return
	}
	var service registry.Key
	if object, err := codec.Decode(ref, kv.Value); err == nil {
		service = object.(*registry.IPAddress).Service
	}
	if allSeen && l.takeOver && service != (registry.Key{}) && seen[service] != unreadable {
		key := l.layout.Key(registry.Ref{Kind: registry.KindService, Key: service})
		l.leaks[addr] = &leak{kv, key, seen[service]}
		return
	}
	delete(l.leaks, addr)
	l.holders[addr] = service
}
