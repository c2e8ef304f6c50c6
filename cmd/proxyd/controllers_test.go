//go:build linux

package main

import (
	"fmt"
	"strings"
	"testing"
)

// Each controller that --controllers names runs, and no other: endpoints given
// by selectors, by names, and addresses of load balancers.
func TestControllers(t *testing.T) {
	n := startAPI(t, "--controllers=external,endpoints,loadbalancer", "--leader-ttl=2s")
	n.put("/registry/svcreg/owner", `{"since": "2026-01-01T00:00:00Z"}`)
	n.put("/registry/pods/default/app-0", `{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "app-0", "namespace": "default", "labels": {"app": "app"}},
		"status": {"phase": "Running", "podIP": "10.1.0.9", "conditions": [{"type": "Ready", "status": "True"}]}}`)
	n.put("/registry/services/specs/default/app", `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "app", "namespace": "default"},
		"spec": {"selector": {"app": "app"}, "clusterIP": "10.0.0.81", "ports": [{"protocol": "TCP", "port": 80, "targetPort": 8080, "name": "a"}, {"protocol": "TCP", "port": 81, "targetPort": "b", "name": "b"}]}}`)
	n.put("/registry/services/specs/default/named", `{"kind": "Service", "apiVersion": "v1beta1", "id": "named", "namespace": "default", "port": 80, "portalIP": "10.0.0.82"}`)
	n.put("/registry/services/endpoints/default/named", `{"kind": "Endpoints", "apiVersion": "v1beta1", "id": "named", "namespace": "default", "endpoints": ["10.1.0.7:8080", "unresolvable.invalid:8080"]}`)
	n.put("/registry/svcreg/pools/public", `{"kind": "AddressPool", "apiVersion": "svcreg.io/v1", "metadata": {"name": "public"}, "spec": {"addresses": ["192.0.2.0/28"]}}`)
	n.put("/registry/services/specs/default/public", `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "public", "namespace": "default"},
		"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.83", "ports": [{"protocol": "TCP", "port": 80}]}}`)
	for what, want := range map[string]string{
		"get endpointslices -l kubernetes.io/service-name=app -o jsonpath={.items[*].endpoints[*].addresses[*]}":   "10.1.0.9",
		"get endpointslices -l kubernetes.io/service-name=named -o jsonpath={.items[*].endpoints[*].addresses[*]}": "10.1.0.7",
		"get svc public -o jsonpath={.status.loadBalancer.ingress[*].ip}":                                          "192.0.2.",
		"get events -o jsonpath={.items[?(@.reason=='NotResolved')].involvedObject.name}":                          "named",
		"describe svc named":  "external.svcreg.io",
		"describe svc public": "AddressAssigned",
		"describe svc app":    "NoSuchPort",
	} {
		n.becomes(want, strings.Fields(what)...)
	}
	for _, name := range []string{"external", "endpoints", "loadbalancer"} {
		n.eventually(name+" has a leader", func() error {
			resp, err := n.etcd.Client().Get(t.Context(), "/registry/svcreg/leaders/"+name)
			if err == nil && len(resp.Kvs) == 0 {
				err = fmt.Errorf("nobody leads")
			}
			return err
		})
	}
}
