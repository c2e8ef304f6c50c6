package write_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// TestConcurrentWritersNeverShareAnAddress has each of two hundred writers
// create a service of its own, all at the same moment, in a network that
// they nearly fill.
func TestConcurrentWritersNeverShareAnAddress(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	const writers = 200
	for _, err := range s.atOnce(writers, func(name string) string { return v1beta1(name, "") }) {
		s.must(err)
	}
	s.consistent(writers)
}

// atOnce has so many writers of their own, all at the same moment, apply the
// manifests of services named web-0, web-1 and so on, and returns what came of
// each.
func (s *store) atOnce(writers int, manifest func(name string) string) []error {
	s.t.Helper()
	errs := make([]error, writers)
	var tasks sync.WaitGroup
	start := make(chan struct{})
	for i := range writers {
		w := s.another(write.Options{})
		tasks.Go(func() {
			<-start
			_, errs[i] = applyTo(s.t.Context(), w, manifest(fmt.Sprintf("web-%d", i)))
		})
	}
	close(start)
	tasks.Wait()
	return errs
}

// oneWins checks that one of some writers succeeded, and how the others failed.
func (s *store) oneWins(errs []error, lost func(error)) {
	s.t.Helper()
	winners := 0
	for _, err := range errs {
		if err == nil {
			winners++
		} else {
			lost(err)
		}
	}
	if winners != 1 {
		s.t.Errorf("%d writers got what they all named, want one", winners)
	}
	s.consistent(1)
}

// TestConcurrentWritersFillANetwork lets one Writer's goroutines take the last
// address of a network, and fail with a FullError after that.
func TestConcurrentWritersFillANetwork(t *testing.T) {
	s := newStore(t, "10.0.0.0/26")
	const size, writers = 62, 80
	full := make(chan bool, writers)
	var group errgroup.Group
	for i := range writers {
		group.Go(func() error {
			_, err := applyTo(t.Context(), s.Writer, v1beta1(fmt.Sprintf("web-%d", i), ""))
			full <- write.IsFull(err)
			if write.IsFull(err) {
				return nil
			}
			return err
		})
	}
	s.must(group.Wait())
	refused := 0
	for range writers {
		if <-full {
			refused++
		}
	}
	if refused != writers-size {
		t.Errorf("%d writers were refused, want %d", refused, writers-size)
	}
	s.consistent(size)
}

// consistent checks that so many services have an address each, and that the
// IPAddress objects say the same as they do.
func (s *store) consistent(services int) {
	s.t.Helper()
	response, err := s.client.Get(s.t.Context(), s.layout.Dir(registry.KindService), clientv3.WithPrefix())
	s.must(err)
	holders := map[string]string{}
	for _, kv := range response.Kvs {
		ref, _ := s.layout.Ref(string(kv.Key))
		object, err := codec.Decode(ref, kv.Value)
		s.must(err)
		for _, addr := range object.(*registry.Service).PortalIPs {
			if other, ok := holders[addr.String()]; ok {
				s.t.Errorf("%s and %s both have %s", other, ref.Key, addr)
			}
			holders[addr.String()] = ref.Key.String()
			if got := s.holder(addr.String()); got != ref.Key.String() {
				s.t.Errorf("the IPAddress of %s names %q, want %s", addr, got, ref.Key)
			}
		}
	}
	addresses, err := s.client.Get(s.t.Context(), s.layout.Dir(registry.KindIPAddress), clientv3.WithPrefix(), clientv3.WithCountOnly())
	s.must(err)
	if len(response.Kvs) != services || len(holders) != services || int(addresses.Count) != services {
		s.t.Errorf("%d services, %d addresses, %d IPAddress objects; want %d of each", len(response.Kvs), len(holders), addresses.Count, services)
	}
}

// TestConcurrentWritersOfOneAddress all name the same address.
func TestConcurrentWritersOfOneAddress(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	s.oneWins(s.atOnce(30, func(name string) string { return v1beta1(name, `, "portalIP": "10.0.0.11"`) }), func(err error) {
		if !write.IsTaken(err) {
			s.must(err)
		}
	})
}

// TestConcurrentUpdatesLoseNothing has writers replace one service while
// another hand adds fields that svcreg doesn't know, one by one.
func TestConcurrentUpdatesLoseNothing(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	s.want(write.Created, v1beta1("web", ""))
	addr := s.portalIPs("my-ns", "web")
	const writers, fields = 8, 20
	var group errgroup.Group
	for i := range writers {
		w := s.another(write.Options{})
		group.Go(func() error {
			for n := range fields {
				if _, err := applyTo(t.Context(), w, v1beta1("web", fmt.Sprintf(`, "labels": {"n": "%d-%d"}`, i, n))); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		for n := range fields {
			if err := s.addField(t.Context(), "/registry/services/specs/my-ns/web", fmt.Sprintf("unknown%d", n)); err != nil {
				return err
			}
		}
		return nil
	})
	s.must(group.Wait())
	value := s.get("/registry/services/specs/my-ns/web")
	for n := range fields {
		if field := fmt.Sprintf(`"unknown%d":true`, n); !strings.Contains(value, field) {
			t.Errorf("%s is lost: %s", field, value)
		}
	}
	if got := s.portalIPs("my-ns", "web"); got != addr {
		t.Errorf("the portal IP went from %s to %s", addr, got)
	}
	s.consistent(1)
}

// addField adds a field to a JSON object in etcd as a careful other program
// would.
func (s *store) addField(ctx context.Context, key, field string) error {
	for {
		response, err := s.client.Get(ctx, key)
		if err != nil {
			return err
		}
		kv := response.Kvs[0]
		value := strings.TrimSuffix(string(kv.Value), "}") + fmt.Sprintf(`,%q:true}`, field)
		txn, err := s.client.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(key), "=", kv.ModRevision)).
			Then(clientv3.OpPut(key, value)).Commit()
		if err != nil || txn.Succeeded {
			return err
		}
	}
}
