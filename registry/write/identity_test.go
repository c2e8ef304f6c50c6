package write_test

import (
	"testing"
	"time"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// meta returns what a stored service of my-ns is known by.
func (s *store) meta(name string) *registry.Meta {
	s.t.Helper()
	ref := serviceRef("my-ns", name)
	object, err := codec.Decode(ref, []byte(s.get(s.layout.Key(ref))))
	s.must(err)
	return object.Metadata()
}

// What is created gets a UID and a time, keeps them whatever is applied over
// it, and has others once it was deleted.
func TestIdentity(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	before := time.Now().Unix()
	s.want(write.Created, v1beta1("web", ""))
	first := s.meta("web")
	if len(first.UID) != 36 || first.Created < before || first.Created > time.Now().Unix() {
		t.Fatalf("UID %q, created at %d, now is %d", first.UID, first.Created, time.Now().Unix())
	}
	for _, over := range []string{
		v1beta1("web", `, "containerPort": 81`),
		v1beta1("web", `, "uid": "mine", "creationTimestamp": "2015-01-01T00:00:00Z"`),
		`{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "my-ns", "uid": "mine"}, "spec": {"ports": [{"port": 82}]}}`,
	} {
		s.want(write.Configured, over)
		if now := s.meta("web"); now.UID != first.UID || now.Created != first.Created {
			t.Errorf("after %s: UID %s, created at %d; want %s, %d", over, now.UID, now.Created, first.UID, first.Created)
		}
	}
	s.want(write.Created, v1beta1("other", ""))
	s.must(s.Delete(t.Context(), serviceRef("my-ns", "web")))
	s.want(write.Created, v1beta1("web", ""))
	if again := s.meta("web"); again.UID == first.UID || again.UID == s.meta("other").UID {
		t.Errorf("two objects have the UID %s", again.UID)
	}
}

// What was there before anybody gave it an identity gets none later: nobody
// knows when it was created.
func TestNoIdentityLater(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	s.put("/registry/services/specs/my-ns/web", v1beta1("web", ""))
	s.want(write.Configured, v1beta1("web", `, "containerPort": 81`))
	if m := s.meta("web"); m.UID != "" || m.Created != 0 {
		t.Errorf("UID %q, created at %d", m.UID, m.Created)
	}
}
