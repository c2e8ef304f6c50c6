package write_test

import (
	"errors"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/write"
)

// outside returns a service that stands for a name; more are fields of its spec.
func outside(more string) string {
	return `{"kind":"Service","apiVersion":"v1","metadata":{"name":"db","namespace":"my-ns"},"spec":{"type":"ExternalName","externalName":"db.example.com"` + more + `}}`
}

const onPort = `,"ports":[{"port":5432}]`

var db = registry.Key{Namespace: "my-ns", Name: "db"}

// To apply a service of type ExternalName gives it no portal IP: it stays an
// alias until a controller lifts it. Then it keeps the address whatever its name
// becomes, and across types, until it says "None", has no ports, or goes.
func TestLift(t *testing.T) {
	s := newStore(t, "10.0.0.0/29")
	lifted := func() string {
		t.Helper()
		s.must(s.Lift(t.Context(), db))
		addr := s.portalIPs("my-ns", "db")
		if addr == "" || s.holder(addr) != "my-ns/db" {
			t.Fatalf("portal IP %q is held by %q", addr, s.holder(addr))
		}
		return addr
	}
	none := func(had, why string) {
		t.Helper()
		if got := s.portalIPs("my-ns", "db"); got != "" || had != "" && s.holder(had) != "" {
			t.Errorf("%s: portal IP %s, and %s is held by %q", why, got, had, s.holder(had))
		}
	}
	s.want(write.Created, outside(onPort))
	none("", "applied")
	addr := lifted()
	revision := s.revision()
	if again := lifted(); again != addr || s.revision() != revision {
		t.Errorf("lifted again, from %s to %s", addr, again)
	}
	for _, next := range []string{
		strings.Replace(outside(onPort), "db.example.com", "other.example.com", 1),
		strings.Replace(outside(onPort), "ExternalName", "ClusterIP", 1),
		outside(onPort + `,"clusterIP":"` + addr + `"`),
		outside(onPort),
	} {
		if _, err := s.apply(next); err != nil {
			t.Fatal(err)
		}
		if got := s.portalIPs("my-ns", "db"); got != addr {
			t.Errorf("the portal IP went from %s to %s with %s", addr, got, next)
		}
	}
	s.want(write.Configured, outside(onPort+`,"clusterIP":"None"`))
	none(addr, "None")
	s.must(s.Lift(t.Context(), db))
	none(addr, "None, lifted")
	s.want(write.Configured, outside(onPort))
	addr = lifted()
	s.want(write.Configured, outside(""))
	none(addr, "without ports")
	s.must(s.Lift(t.Context(), db))
	none(addr, "without ports, lifted")
	s.want(write.Configured, outside(onPort+`,"clusterIP":"10.0.0.5"`))
	if got := s.holder("10.0.0.5"); got != "my-ns/db" {
		t.Errorf("a named address is held by %q", got)
	}
	s.must(s.Delete(t.Context(), serviceRef("my-ns", "db")))
	if got := s.holder("10.0.0.5"); got != "" {
		t.Errorf("the address of a service that is gone is held by %q", got)
	}
	s.must(s.Lift(t.Context(), db))
	s.must(s.Lift(t.Context(), registry.Key{Namespace: "my-ns", Name: "none"}))
}

// What there is of each family is given, unless the service says otherwise, and
// nothing else changes: no field, no lease.
func TestLiftFamilies(t *testing.T) {
	s := newStore(t, "10.0.0.0/30", "fd00::/126")
	granted, err := s.client.Grant(t.Context(), 60)
	s.must(err)
	key := "/registry/services/specs/my-ns/db"
	for _, tt := range []struct{ more, want string }{
		{"", "10.0.0."},
		{`,"ipFamilies":["IPv6"]`, "fd00::"},
		{`,"ipFamilyPolicy":"SingleStack"`, "10.0.0."},
	} {
		_, err := s.client.Put(t.Context(), key, outside(onPort+tt.more+`,"future":1`), clientv3.WithLease(granted.ID))
		s.must(err)
		s.must(s.Lift(t.Context(), db))
		got := strings.Fields(s.portalIPs("my-ns", "db"))
		if len(got) == 0 || !strings.HasPrefix(got[0], tt.want) || (tt.more == "") != (len(got) == 2) {
			t.Errorf("%s: portal IPs %v, want %s…", tt.more, got, tt.want)
		}
		response, err := s.client.Get(t.Context(), key)
		s.must(err)
		if kv := response.Kvs[0]; kv.Lease != int64(granted.ID) || !strings.Contains(string(kv.Value), `"future":1`) {
			t.Errorf("%s: stored with lease %d: %s", tt.more, kv.Lease, kv.Value)
		}
		s.must(s.Delete(t.Context(), serviceRef("my-ns", "db")))
	}
}

// Nobody is lifted where svcreg has no portal network of its own, where there
// are no addresses left, or where an apiserver would see it.
func TestLiftRefused(t *testing.T) {
	s := newStore(t)
	s.want(write.Created, outside(onPort))
	if err := s.Lift(t.Context(), db); !errors.Is(err, write.ErrNotInitialised) {
		t.Errorf("without a portal network: %v", err)
	}
	s.must(s.Init(t.Context(), prefixes("10.0.0.0/30")...))
	s.want(write.Created, v1beta1("a", ""))
	s.want(write.Created, v1beta1("b", ""))
	if err := s.Lift(t.Context(), db); !write.IsFull(err) {
		t.Errorf("where all addresses are held: %v", err)
	}
	s.must(s.Delete(t.Context(), serviceRef("my-ns", "a")))
	s.put("/registry/masterleases/192.0.2.1", "k8s\x00")
	if err := s.Lift(t.Context(), db); !write.IsForeign(err) {
		t.Errorf("an apiserver's registry: %v", err)
	}
	bold := s.another(write.Options{WriteToKubernetes: true})
	if err := bold.Lift(t.Context(), db); !errors.Is(err, write.ErrNotInitialised) {
		t.Errorf("an apiserver's registry, written to all the same: %v", err)
	}
	for _, text := range []string{v1beta1("db", ""), outside(onPort), outside(onPort + `,"clusterIP":"10.0.0.2"`)} {
		if _, err := applyTo(t.Context(), bold, text); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.portalIPs("my-ns", "db"); got != "" {
		t.Errorf("a service of type ExternalName has the portal IP %s where an apiserver refuses that", got)
	}
}
