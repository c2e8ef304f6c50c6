package write_test

import (
	"errors"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

const (
	leasedPod = `{"kind":"Pod","apiVersion":"v1","metadata":{"name":"web-1","namespace":"my-ns"},"status":{"podIP":"192.0.2.8"}}`
	leasedKey = "/registry/pods/my-ns/web-1"
)

func (s *store) grant() clientv3.LeaseID {
	s.t.Helper()
	lease, err := s.client.Grant(s.t.Context(), 60)
	s.must(err)
	return lease.ID
}

func (s *store) leaseOf(key string) clientv3.LeaseID {
	s.t.Helper()
	response, err := s.client.Get(s.t.Context(), key)
	s.must(err)
	if len(response.Kvs) != 1 {
		s.t.Fatalf("%s is not there", key)
	}
	return clientv3.LeaseID(response.Kvs[0].Lease)
}

func document(t *testing.T, manifest string) *codec.Document {
	t.Helper()
	documents, err := codec.ParseDocuments("test.yaml", []byte(manifest))
	if err != nil || len(documents) != 1 {
		t.Fatalf("%d documents, %v", len(documents), err)
	}
	return documents[0]
}

// A leased object goes with its lease, and nobody else's lease takes it along.
func TestApplyLeased(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	pod := document(t, leasedPod)
	apply := func(lease clientv3.LeaseID, want write.Outcome) {
		t.Helper()
		got, err := s.ApplyLeased(t.Context(), pod, write.Condition{}, lease)
		if err != nil || got != want {
			t.Fatalf("%s, %v; want %s", got, err, want)
		}
		if has := s.leaseOf(leasedKey); has != lease {
			t.Fatalf("lease %x, want %x", has, lease)
		}
	}
	first, second := s.grant(), s.grant()
	apply(first, write.Created)
	apply(first, write.Unchanged)
	apply(second, write.Configured) // another lease is a change of its own
	_, err := s.client.Revoke(t.Context(), first)
	s.must(err)
	apply(second, write.Unchanged)
	_, err = s.client.Revoke(t.Context(), second)
	s.must(err)
	if value := s.get(leasedKey); value != "" {
		t.Errorf("outlived its lease: %s", value)
	}
	if _, err := s.ApplyLeased(t.Context(), pod, write.Condition{Present: true}, s.grant()); !errors.Is(err, write.ErrNotFound) {
		t.Errorf("the condition was not heeded: %v", err)
	}
}

// Whoever applies without a lease makes the object stay.
func TestApplyTakesOverFromLease(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	lease := s.grant()
	if _, err := s.ApplyLeased(t.Context(), document(t, leasedPod), write.Condition{}, lease); err != nil {
		t.Fatal(err)
	}
	s.want(write.Configured, leasedPod)
	_, err := s.client.Revoke(t.Context(), lease)
	s.must(err)
	if s.get(leasedKey) == "" {
		t.Error("it went with a lease that was no more its own")
	}
}
