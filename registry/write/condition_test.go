package write_test

import (
	"errors"
	"testing"

	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

func TestConditions(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	document := func(more string) *codec.Document {
		documents, err := codec.ParseDocuments("test", []byte(v1beta1("web", more)))
		s.must(err)
		return documents[0]
	}
	apply := func(more string, c write.Condition, want error) {
		t.Helper()
		if _, err := s.ApplyIf(t.Context(), document(more), c); !errors.Is(err, want) {
			t.Fatalf("%+v: error %v, want %v", c, err, want)
		}
	}
	ref := document("").Ref()
	if _, _, err := s.Read(t.Context(), ref); !errors.Is(err, write.ErrNotFound) {
		t.Errorf("read nothing: %v", err)
	}
	apply("", write.Condition{Present: true}, write.ErrNotFound)
	apply("", write.Condition{Revision: 1}, write.ErrChanged)
	apply("", write.Condition{Absent: true}, nil)
	apply("", write.Condition{Absent: true}, write.ErrExists)

	d, revision, err := s.Read(t.Context(), ref)
	s.must(err)
	if d.Ref() != ref || revision != s.revision() {
		t.Errorf("read %s at %d, want %s at %d", d.Ref(), revision, ref, s.revision())
	}
	apply(`, "containerPort": 81`, write.Condition{Present: true, Revision: revision}, nil)
	apply(`, "containerPort": 82`, write.Condition{Present: true, Revision: revision}, write.ErrChanged)
	if err := s.DeleteIf(t.Context(), ref, write.Condition{Revision: revision}); !errors.Is(err, write.ErrChanged) {
		t.Errorf("delete: %v, want %v", err, write.ErrChanged)
	}
	s.must(s.DeleteIf(t.Context(), ref, write.Condition{Revision: s.revision()}))
}
