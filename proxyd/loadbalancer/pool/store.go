package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// Store changes the pools of a registry.
type Store struct {
	Client *clientv3.Client
	Layout codec.Layout
	Writer *write.Writer
	// Force lets services lose the addresses that a change takes from them.
	Force bool
}

// ErrInUse says that services would lose their addresses.
var ErrInUse = errors.New("they would lose it: --force does it all the same")

const attempts = 20

// Apply writes a pool. It refuses one that shares addresses with another pool
// or with a portal network, and, without Force, one that takes addresses from
// services. The errors are ErrInUse, write.ErrConflict, write's ForeignError
// and etcd's.
func (s *Store) Apply(ctx context.Context, p *Pool) (write.Outcome, error) {
	value, err := p.Encode()
	if err != nil {
		return write.Unchanged, err
	}
	outcome := write.Unchanged
	err = s.change(ctx, p.Name, func(b *Book) (clientv3.Op, error) {
		old := b.Pool(p.Name)
		if other, mine, theirs := b.Conflict(p); other != nil {
			return clientv3.Op{}, fmt.Errorf("%s %s: spec.addresses: %s: want addresses that pool %s hasn't in %s", kind, p.Name, mine, other.Name, theirs)
		}
		if err := s.apart(ctx, p); err != nil {
			return clientv3.Op{}, err
		}
		outcome = write.Created
		if old != nil {
			if before, err := old.Encode(); err == nil && string(before) == string(value) {
				outcome = write.Unchanged
				return clientv3.Op{}, nil
			}
			outcome = write.Configured
		}
		return clientv3.OpPut(Key(s.Layout, p.Name), string(value)), s.spares(b, p.Name, p)
	})
	return outcome, err
}

// Delete removes a pool: without Force only one of which no service has an
// address. The errors are write.ErrNotFound and those of Apply.
func (s *Store) Delete(ctx context.Context, name string) error {
	return s.change(ctx, name, func(b *Book) (clientv3.Op, error) {
		response, err := s.Client.Get(ctx, Key(s.Layout, name), clientv3.WithKeysOnly())
		switch {
		case err != nil:
			return clientv3.Op{}, err
		case len(response.Kvs) == 0:
			return clientv3.Op{}, fmt.Errorf("%s %s: %w", kind, name, write.ErrNotFound)
		}
		return clientv3.OpDelete(Key(s.Layout, name)), s.spares(b, name, nil)
	})
}

// spares returns an error if a pool's change takes addresses from services.
func (s *Store) spares(b *Book, name string, next *Pool) error {
	if stranded := b.Stranded(name, next); len(stranded) > 0 && !s.Force {
		return fmt.Errorf("%s %s: %s has an address of it (%d in all): %w", kind, name, services(stranded), len(stranded), ErrInUse)
	}
	return nil
}

// apart returns an error if a pool has addresses of a portal network.
func (s *Store) apart(ctx context.Context, p *Pool) error {
	response, err := s.Client.Get(ctx, s.Layout.Dir(registry.KindServiceCIDR), clientv3.WithPrefix())
	if err != nil {
		return fmt.Errorf("read portal networks: %w", err)
	}
	for _, kv := range response.Kvs {
		ref, _ := s.Layout.Ref(string(kv.Key))
		object, err := codec.Decode(ref, kv.Value)
		if err != nil {
			continue // whoever needs it will say so
		}
		for _, n := range object.(*registry.ServiceCIDR).Prefixes {
			if err := p.outside(n); err != nil {
				return err
			}
		}
	}
	return nil
}

// outside returns an error if a pool has addresses of a network.
func (p *Pool) outside(n netip.Prefix) error {
	for _, r := range p.Ranges {
		if r.overlaps(rangeOf(n)) {
			return fmt.Errorf("%s %s: spec.addresses: %s: want addresses outside the portal network %s", kind, p.Name, r, n)
		}
	}
	return nil
}

// change makes a write that was decided on pools and claims as they stand, and
// is made anew if they changed meanwhile.
func (s *Store) change(ctx context.Context, name string, decide func(*Book) (clientv3.Op, error)) error {
	if err := s.Writer.Writable(ctx); err != nil {
		return err
	}
	for range attempts {
		b, revision, err := List(ctx, s.Client, s.Layout, slog.New(slog.DiscardHandler))
		if err != nil {
			return err
		}
		op, err := decide(b)
		if err != nil || len(op.KeyBytes()) == 0 {
			return err
		}
		same := func(dir string) clientv3.Cmp {
			return clientv3.Compare(clientv3.ModRevision(dir), "<", revision+1).WithPrefix()
		}
		response, err := s.Client.Txn(ctx).If(same(Dir(s.Layout)), same(ClaimDir(s.Layout))).Then(op).Commit()
		if err != nil {
			return fmt.Errorf("write pool %s: %w", name, err)
		}
		if response.Succeeded {
			return nil
		}
	}
	return fmt.Errorf("pool %s: %w", name, write.ErrConflict)
}
