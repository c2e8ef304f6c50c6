package write_test

import (
	"context"
	"errors"
	"testing"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/write"
)

func TestDelete(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	s.want(write.Created, v1beta1("web", `, "portalIP": "10.0.0.11"`))
	s.want(write.Created, v1beta1("other", `, "portalIP": "10.0.0.12"`))
	revision := s.revision()
	s.must(s.Delete(t.Context(), serviceRef("my-ns", "web")))
	if s.revision() != revision+1 {
		t.Error("service and address were not deleted in one transaction")
	}
	if s.get("/registry/services/specs/my-ns/web") != "" || s.holder("10.0.0.11") != "" {
		t.Error("something is left of the service")
	}
	if s.holder("10.0.0.12") != "my-ns/other" {
		t.Error("the address of another service is gone")
	}
	err := s.Delete(t.Context(), serviceRef("my-ns", "web"))
	s.failed(err, "delete Service my-ns/web: not found")
	if !errors.Is(err, write.ErrNotFound) {
		t.Errorf("%v is not ErrNotFound", err)
	}
}

func TestDeleteWhatCannotBeRead(t *testing.T) {
	s := newStore(t, "10.0.0.0/30")
	s.want(write.Created, v1beta1("web", `, "portalIP": "10.0.0.1"`))
	s.put("/registry/services/specs/my-ns/web", `damaged`)
	s.must(s.Delete(t.Context(), serviceRef("my-ns", "web")))
	s.want(write.Created, v1beta1("other", `, "portalIP": "10.0.0.1"`)) // its IPAddress leads nowhere
}

// TestDeleteLeavesAddressOfAnother is about two services that were given the
// same address by hand.
func TestDeleteLeavesAddressOfAnother(t *testing.T) {
	s := newStore(t, "10.0.0.0/30")
	s.want(write.Created, v1beta1("web", `, "portalIP": "10.0.0.1"`))
	s.put("/registry/services/specs/my-ns/twin", v1beta1("twin", `, "portalIP": "10.0.0.1"`))
	s.must(s.Delete(t.Context(), serviceRef("my-ns", "twin")))
	if got := s.holder("10.0.0.1"); got != "my-ns/web" {
		t.Errorf("10.0.0.1 is held by %q", got)
	}
}

func TestDeleteOtherKinds(t *testing.T) {
	s := newStore(t)
	s.put("/registry/minions/node-1", `{"kind": "Minion", "apiVersion": "v1beta1", "id": "node-1"}`)
	s.must(s.Delete(t.Context(), registry.Ref{Kind: registry.KindNode, Key: registry.Key{Name: "node-1"}}))
	if s.get("/registry/minions/node-1") != "" {
		t.Error("the node is still there")
	}
	err := s.Delete(t.Context(), registry.Ref{Kind: registry.KindServiceCIDR, Key: registry.Key{Name: "kubernetes"}})
	s.failed(err, "delete ServiceCIDR kubernetes", "svcctl init")
}

func TestEndedContext(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Delete(ctx, serviceRef("my-ns", "web")); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that the context ended", err)
	}
}
