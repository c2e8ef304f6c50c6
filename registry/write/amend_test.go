package write_test

import (
	"errors"
	"net/netip"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// give is an edit that gives a service an address and writes a key beside it.
func give(conditions ...clientv3.Cmp) func(*codec.Document) (write.Also, error) {
	return func(d *codec.Document) (write.Also, error) {
		if d != nil {
			d.ReplaceBalancerIPs(nil, []netip.Addr{netip.MustParseAddr("203.0.113.1")})
		}
		return write.Also{Conditions: conditions, Ops: []clientv3.Op{clientv3.OpPut("/mine", "x")}}, nil
	}
}

func none(*codec.Document) (write.Also, error) { return write.Also{}, nil }

func TestAmend(t *testing.T) {
	const key = "/registry/services/specs/my-ns/web"
	s := newStore(t)
	s.put(key, v1beta1("web", `, "publicIPs": ["not checked"], "new": 1.0`))
	ref := serviceRef("my-ns", "web")
	revision, err := s.Amend(t.Context(), ref, give())
	if s.must(err); revision != s.revision() {
		t.Errorf("revision %d, want %d", revision, s.revision())
	}
	want := v1beta1("web", `, "publicIPs": ["not checked","203.0.113.1"], "new": 1.0`)
	if got := s.get(key); got != want || s.get("/mine") != "x" {
		t.Errorf("stored: %s, and %q beside it", got, s.get("/mine"))
	}
	if revision, err = s.Amend(t.Context(), ref, none); err != nil || revision != 0 {
		t.Errorf("nothing to do: %d, %v", revision, err)
	}
	if _, err = s.Amend(t.Context(), serviceRef("my-ns", "gone"), give()); err != nil {
		t.Errorf("beside no object: %v", err)
	}
	fail := errors.New("no")
	if _, err = s.Amend(t.Context(), ref, func(*codec.Document) (write.Also, error) { return write.Also{}, fail }); !errors.Is(err, fail) {
		t.Errorf("%v is not edit's error", err)
	}
}

// An object under a lease stays under it.
func TestAmendKeepsTheLease(t *testing.T) {
	const key = "/registry/services/specs/my-ns/web"
	s := newStore(t)
	lease := s.grant()
	_, err := s.client.Put(t.Context(), key, v1beta1("web", ""), clientv3.WithLease(lease))
	s.must(err)
	_, err = s.Amend(t.Context(), serviceRef("my-ns", "web"), give())
	s.must(err)
	if got := s.leaseOf(key); got != lease {
		t.Errorf("lease %x, want %x", got, lease)
	}
}

// What was decided on something that has changed is not written, and neither is
// what was to go with it.
func TestAmendLosesRaces(t *testing.T) {
	const key = "/registry/services/specs/my-ns/web"
	tests := []struct {
		name  string
		other func(*store)
		edit  func(*codec.Document) (write.Also, error)
	}{
		{"the object changed", func(s *store) { s.put(key, v1beta1("web", `, "labels": {}`)) }, give()},
		{"the object is gone", func(s *store) { s.remove(key) }, give()},
		{"a condition doesn't hold", func(s *store) { s.put("/theirs", "x") }, give(clientv3.Compare(clientv3.ModRevision("/theirs"), "=", 0))},
		{"an apiserver comes to life", func(s *store) { s.put("/registry/masterleases/192.0.2.1", "k8s\x00") }, give()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			s.put(key, v1beta1("web", ""))
			_, err := s.whileWriting(func() { tt.other(s) }).Amend(t.Context(), serviceRef("my-ns", "web"), tt.edit)
			if !errors.Is(err, write.ErrChanged) || s.get("/mine") != "" {
				t.Errorf("%v, and %q beside it", err, s.get("/mine"))
			}
		})
	}
}

func TestAmendLeavesAnApiserversRegistryAlone(t *testing.T) {
	s := newStore(t)
	s.must(s.Writable(t.Context()))
	s.put("/registry/masterleases/192.0.2.1", "k8s\x00")
	if err := s.Writable(t.Context()); !write.IsForeign(err) {
		t.Errorf("writable: %v", err)
	}
	if _, err := s.Amend(t.Context(), serviceRef("my-ns", "web"), give()); !write.IsForeign(err) || s.get("/mine") != "" {
		t.Errorf("%v, and %q beside it", err, s.get("/mine"))
	}
}
