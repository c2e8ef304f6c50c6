package apiserver_test

import (
	"net/http/httptest"
	"os"
	"testing"

	"github.com/svcreg/svcreg/proxyd/apiserver"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// fixture is a server, and the registry behind it.
type fixture struct {
	*apiserver.Server
	snapshot *registry.Snapshot
}

func newFixture(t *testing.T, c apiserver.Config, file string) *fixture {
	t.Helper()
	manifests, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{apiserver.New(c), registrytest.Snapshot(t, string(manifests))}
	f.Notify(f.snapshot, &registry.Changes{})
	return f
}

// apply makes changes at the next revision, which the objects get.
func (f *fixture) apply(changes ...registry.Change) {
	revision := f.snapshot.Revision() + 1
	for _, c := range changes {
		if c.Object != nil {
			c.Object.Metadata().ModRevision = revision
		}
	}
	next, touched := f.snapshot.Apply(revision, changes...)
	f.snapshot = next
	f.Notify(next, touched)
}

// serve returns a server over HTTP, of the registry in a file.
func serve(t *testing.T, file string) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(newFixture(t, apiserver.Config{}, file))
	t.Cleanup(server.Close)
	return server
}

// service returns a service with one port.
func service(namespace, name string, port uint16) *registry.Service {
	return &registry.Service{
		Meta:  registry.Meta{Kind: registry.KindService, Key: registry.Key{Namespace: namespace, Name: name}},
		Ports: []registry.Port{{Protocol: registry.TCP, Port: port}},
	}
}
