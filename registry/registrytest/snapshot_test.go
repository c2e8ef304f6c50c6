package registrytest_test

import (
	"testing"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

func TestSnapshot(t *testing.T) {
	s := registrytest.Snapshot(t, `
kind: Service
apiVersion: v1
metadata: {name: web, namespace: my-ns}
spec: {ports: [{port: 80}]}
---
{"kind": "Endpoints", "apiVersion": "v1beta1", "id": "web", "namespace": "my-ns", "endpoints": ["192.0.2.1:8080"]}
{"kind": "Service", "apiVersion": "v1beta1", "id": "web", "port": 80}
`)
	web := s.Service(registry.Key{Namespace: "my-ns", Name: "web"})
	if web == nil || len(web.Backends(web.Ports[0])) != 1 {
		t.Fatalf("my-ns/web is %v", web)
	}
	other := s.Service(registry.Key{Namespace: "default", Name: "web"})
	if s.Revision() != 3 || web.CreateRevision != 1 || web.ModRevision != 1 || other.CreateRevision != 3 {
		t.Errorf("revisions %d, %d, %d, %d: want 3, 1, 1, 3", s.Revision(), web.CreateRevision, web.ModRevision, other.CreateRevision)
	}
}
