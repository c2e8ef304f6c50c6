package write_test

import (
	"errors"
	"testing"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// A preview is what an Apply would store, is refused where that is, and writes
// nothing.
func TestPreview(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	s.want(write.Created, v1beta1("web", `, "portalIP": "10.0.0.7"`))
	stored, before := s.meta("web"), s.revision()
	preview := func(manifest string, c write.Condition) (*registry.Service, int64, error) {
		documents, err := codec.ParseDocuments("test", []byte(manifest))
		s.must(err)
		d, revision, err := s.Preview(t.Context(), documents[0], c)
		if err != nil {
			return nil, 0, err
		}
		o, err := d.Object()
		s.must(err)
		return o.(*registry.Service), revision, nil
	}
	next, revision, err := preview(v1beta1("web", `, "containerPort": 81`), write.Condition{Present: true})
	if err != nil || revision != before || next.UID != stored.UID || next.Ports[0].TargetPort != "81" || next.PortalIPs[0].String() != "10.0.0.7" {
		t.Errorf("an update: %+v at %d: %v", next, revision, err)
	}
	next, revision, err = preview(v1beta1("new", ""), write.Condition{Absent: true})
	if err != nil || revision != 0 || len(next.PortalIPs) != 1 || next.UID == "" {
		t.Errorf("a new one: %+v at %d: %v", next, revision, err)
	}
	if _, _, err := preview(v1beta1("new", ""), write.Condition{Present: true}); !errors.Is(err, write.ErrNotFound) {
		t.Errorf("an update of nothing: %v", err)
	}
	_, _, err = preview(v1beta1("new", `, "portalIP": "10.0.0.7"`), write.Condition{})
	s.failed(err, "apply Service my-ns/new", "service my-ns/web holds it")
	_, _, err = preview(v1beta1("Bad_1", ""), write.Condition{})
	s.failed(err, "Bad_1")
	if s.revision() != before {
		t.Error("something was written")
	}
}
