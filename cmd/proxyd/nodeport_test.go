//go:build linux

package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
)

// Who creates a service of type NodePort at proxyd's API needs to name no port:
// it is reached at the one that comes back.
func TestNodePortsAreGiven(t *testing.T) {
	f := newFleet(t)
	f.put("/registry/svcreg/owner", `{"owner": "svcreg"}`)
	f.start()
	f.ready() // the API listens a little later than what start waits for
	f.put("/registry/services/endpoints/default/given",
		`{"kind": "Endpoints", "apiVersion": "v1beta1", "id": "given", "endpoints": ["10.1.1.2:80"]}`)
	status, body := f.post("127.0.0.1:8080", "/api/v1/namespaces/default/services",
		`{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "given"}, "spec": {"type": "NodePort", "ports": [{"protocol": "TCP", "port": 80}]}}`)
	var created struct {
		Spec struct{ Ports []struct{ NodePort int } }
	}
	if err := json.Unmarshal([]byte(body), &created); err != nil || status != http.StatusCreated || len(created.Spec.Ports) != 1 {
		t.Fatalf("%d: %s: %v", status, body, err)
	}
	port := created.Spec.Ports[0].NodePort
	if port < 30000 || port > 32767 {
		t.Fatalf("node port %d", port)
	}
	f.reaches(f.client, "tcp", fmt.Sprintf("10.1.0.1:%d", port), "one")
}
