package registrytest_test

import (
	"testing"

	"github.com/svcreg/svcreg/registry/registrytest"
)

func TestEtcd(t *testing.T) {
	e := registrytest.StartEtcd(t)
	if _, err := e.Client().Put(t.Context(), "/a", "1"); err != nil {
		t.Fatal(err)
	}
	endpoint := e.Endpoint()
	count := func() int64 {
		t.Helper()
		r, err := e.Client().Get(t.Context(), "/a")
		if err != nil {
			t.Fatal(err)
		}
		return r.Count
	}
	e.Restart()
	if n := count(); n != 1 {
		t.Errorf("after Restart: %d keys, want 1", n)
	}
	e.Reset()
	if n := count(); n != 0 {
		t.Errorf("after Reset: %d keys, want none", n)
	}
	if e.Endpoint() != endpoint {
		t.Errorf("endpoint changed from %s to %s", endpoint, e.Endpoint())
	}
}
