package announce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/proxyd/loadbalancer/pool"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/pause"
)

const (
	// listTimeout bounds a list of the state.
	listTimeout = 5 * time.Second
	// leastPause and mostPause bound the pauses after what failed.
	leastPause, mostPause = 100 * time.Millisecond, 2 * time.Second
)

// state is what etcd holds of all announcers at one revision. It is immutable.
type state struct {
	revision  int64
	allocated map[netip.Addr][]registry.Key // to services
	claims    map[netip.Addr]claim
	members   map[string]*member
	leases    map[string]clientv3.LeaseID // those of the members' records
	// left is when an address was seen to lose its claim.
	left map[netip.Addr]time.Time
}

// claim says who announces an address.
type claim struct {
	node     string
	lease    clientv3.LeaseID
	revision int64 // of the key's last change
}

// view follows the state in etcd.
type view struct {
	client *clientv3.Client
	keys   keys
	logger *slog.Logger
	wake   chan struct{}
	latest atomic.Pointer[state]
}

func newView(c *Config) *view {
	return &view{client: c.Client, keys: newKeys(c.Layout), logger: c.Logger, wake: make(chan struct{}, 1)}
}

// state returns the latest state, nil before there is one.
func (v *view) state() *state { return v.latest.Load() }

// run follows until ctx ends. While etcd is away, the last state stays.
func (v *view) run(ctx context.Context) error {
	p := pause.Growing{Least: leastPause, Most: mostPause}
	for ctx.Err() == nil {
		start := time.Now()
		err := v.follow(ctx)
		if time.Since(start) > p.Most {
			p.Reset()
		}
		if ctx.Err() == nil {
			v.logger.Log(ctx, levelOf(&p), "not told who announces what; trying again", "error", err)
		}
		p.Sleep(ctx) // not if ctx has ended
	}
	return nil
}

var errWatchEnded = errors.New("etcd ended the watch")

// follow lists, and watches from there on until that fails.
func (v *view) follow(ctx context.Context) error {
	from, to := v.keys.span()
	listing, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	list, err := v.client.Get(listing, from, clientv3.WithRange(to))
	if err != nil {
		return fmt.Errorf("list %s to %s: %w", from, to, err)
	}
	v.replace(list)
	watching, stop := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer stop()
	for response := range v.client.Watch(watching, from, clientv3.WithRange(to), clientv3.WithRev(list.Header.Revision+1)) {
		if err := response.Err(); err != nil {
			return fmt.Errorf("watch %s to %s: %w", from, to, err)
		}
		if len(response.Events) > 0 {
			v.apply(response)
		}
	}
	return errWatchEnded
}

// replace takes a list in.
func (v *view) replace(list *clientv3.GetResponse) {
	next := (&state{}).clone(list.Header.Revision)
	for _, kv := range list.Kvs {
		v.put(next, kv)
	}
	if last := v.latest.Load(); last != nil {
		maps.Copy(next.left, last.left)
		for addr := range last.claims {
			if _, held := next.claims[addr]; !held {
				next.left[addr] = time.Now()
			}
		}
	}
	v.set(next)
}

// apply takes events in.
func (v *view) apply(response clientv3.WatchResponse) {
	next := v.latest.Load().clone(response.Header.Revision)
	for _, event := range response.Events {
		next.revision = max(next.revision, event.Kv.ModRevision)
		if event.Type == mvccpb.PUT {
			v.put(next, event.Kv)
		} else {
			v.remove(next, string(event.Kv.Key))
		}
	}
	v.set(next)
}

func (v *view) set(s *state) {
	for addr, since := range s.left {
		if time.Since(since) > fresh {
			delete(s.left, addr)
		}
	}
	v.latest.Store(s)
	nudge(v.wake)
}

// put takes one key in. A record that can't be read is one of no subnets.
func (v *view) put(s *state, kv *mvccpb.KeyValue) {
	key := string(kv.Key)
	if addr, ok := addrIn(v.keys.allocated, key); ok {
		s.allocated[addr] = v.holders(key, kv.Value)
	} else if addr, ok := addrIn(v.keys.announced, key); ok {
		s.claims[addr] = claim{string(kv.Value), clientv3.LeaseID(kv.Lease), kv.ModRevision}
		delete(s.left, addr)
	} else if node, ok := strings.CutPrefix(key, v.keys.members); ok {
		m, err := decodeMember(kv.Value)
		if err != nil {
			v.logger.Error("ignoring an announcer", "key", key, "error", err)
			v.remove(s, key)
			return
		}
		s.members[node], s.leases[node] = m, clientv3.LeaseID(kv.Lease)
	}
}

// holders returns the services that an address is allocated to. One that some
// other load balancer gave is that one's to announce.
func (v *view) holders(key string, value []byte) []registry.Key {
	var c pool.Claim
	if err := json.Unmarshal(value, &c); err != nil {
		v.logger.Error("ignoring who holds an address", "key", key, "error", err)
		return nil
	}
	if c.Pool == "" {
		return nil
	}
	var holders []registry.Key
	for _, h := range c.Holders {
		if h.Gone.IsZero() {
			holders = append(holders, h.Key())
		}
	}
	return holders
}

// remove takes one key out.
func (v *view) remove(s *state, key string) {
	if addr, ok := addrIn(v.keys.allocated, key); ok {
		delete(s.allocated, addr)
	} else if addr, ok := addrIn(v.keys.announced, key); ok {
		delete(s.claims, addr)
		s.left[addr] = time.Now()
	} else if node, ok := strings.CutPrefix(key, v.keys.members); ok {
		delete(s.members, node)
		delete(s.leases, node)
	}
}

// clone returns a state of its own that differs in the revision only.
func (s *state) clone(revision int64) *state {
	return &state{
		revision:  revision,
		allocated: cloned(s.allocated), claims: cloned(s.claims), left: cloned(s.left),
		members: cloned(s.members), leases: cloned(s.leases),
	}
}

// cloned is maps.Clone that makes a map of a nil one.
func cloned[K comparable, V any](m map[K]V) map[K]V {
	c := make(map[K]V, len(m))
	maps.Copy(c, m)
	return c
}
