package apiserver

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// checkFixed refuses an update that is of another object by the same name, or
// that changes what an apiserver lets nobody change: a service's first portal
// IP, which its clients may have kept. To have another one, delete the service.
func (s *Server) checkFixed(ctx context.Context, t *target, p *proposal) error {
	ref := p.document.Ref()
	d, _, err := s.config.Store.Read(ctx, ref)
	if err != nil {
		return t.refused(ref.Name, err)
	}
	stored, err := d.Object()
	if err != nil {
		return t.refused(ref.Name, err)
	}
	if uid := stored.Metadata().UID; p.uid != "" && p.uid != uid {
		return apierrors.NewConflict(t.groupResource(), ref.Name,
			fmt.Errorf("precondition failed: UID in precondition: %s, UID in object meta: %s", p.uid, uid))
	}
	proposed, err := p.document.Object()
	if err != nil {
		return t.refused(ref.Name, err)
	}
	if was, next := fixedIP(stored), fixedIP(proposed); was != "" && next != "" && was != next {
		return t.errInvalid(ref.Name, &codec.FieldError{Field: "spec.clusterIPs[0]", Value: next, Want: was + ", which may not change once set"})
	}
	return nil
}

// fixedIP returns a service's first portal IP, or "None"; nothing for what has
// none, or isn't bound to one.
func fixedIP(o registry.Object) string {
	if s, ok := o.(*registry.Service); ok && s.Type != registry.ExternalName {
		return portalIP(s)
	}
	return ""
}
