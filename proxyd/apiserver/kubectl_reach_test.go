package apiserver_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/proxyd/apiserver"
	"github.com/svcreg/svcreg/registry"
)

// TestKubectlOutOfReach lists the commands that can't work and what kubectl
// prints. Kubelets have what runs in pods, a metrics server has what top shows,
// and only services and endpoints are written.
func TestKubectlOutOfReach(t *testing.T) {
	l := newLive(t)
	l.client.Put(t.Context(), "/registry/pods/team/p", `{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "namespace": "team"},
		"spec": {"nodeName": "n", "containers": [{"name": "c", "ports": [{"containerPort": 80}]}]}, "status": {"phase": "Running", "podIP": "10.244.1.1"}}`)
	l.client.Put(t.Context(), "/registry/minions/n", `{"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n"}}`)
	l.do("POST", inTeam, asJSON, newWeb)
	const noMethod = "the server does not allow this method on the requested resource"
	for args, want := range map[string]string{
		"exec p -- ls":                         "exec is out of reach",
		"attach p":                             "attach is out of reach",
		"port-forward p 80":                    "portforward is out of reach",
		"port-forward svc/web 80":              "Service is defined without a selector",
		"logs p":                               "log is out of reach",
		"top po":                               "Metrics API not available",
		"top no":                               "Metrics API not available",
		"run x --image=y":                      noMethod,
		"create ns x":                          noMethod,
		"delete po p":                          noMethod,
		"label no n a=b":                       noMethod,
		"auth can-i get svc":                   "the server could not find the requested resource",
		"get deploy":                           `the server doesn't have a resource type "deploy"`,
		"scale deploy/x --replicas=1":          `the server doesn't have a resource type "deploy"`,
		"apply --server-side -f " + badFile(t): "Server-side apply not available on the server",
	} {
		t.Run(args, func(t *testing.T) {
			got := kubectl(t, l.server, strings.Fields("-n team "+args)...)
			if !strings.Contains(got, want) || !strings.Contains(got, "(exit status 1)") {
				t.Errorf("%q is not in:\n%s", want, got)
			}
		})
	}
}

// badFile is the manifest of a service with a field that isn't one.
func badFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "bad.yaml")
	const manifest = "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: [{port: 80}], sessionAfinity: None}\n"
	if err := os.WriteFile(path, []byte(manifest), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestKubectlCreates is about what kubectl sends in other ways than apply: as
// protobuf, from an editor, and with fields that the API doesn't have. 1.20
// creates those and prints a warning, 1.32 has them refused.
func TestKubectlCreates(t *testing.T) {
	l := newLive(t)
	t.Setenv("KUBE_EDITOR", "sed -i s/8080/8081/")
	for _, tt := range []struct{ args, want string }{
		{"create service clusterip web --tcp=80:8080", "service/web created"},
		{"get svc web -o jsonpath={.spec.ports[0].targetPort}", "8080"},
		{"edit svc web", "service/web edited"},
		{"get svc web -o jsonpath={.spec.ports[0].targetPort}", "8081"},
		{"expose svc web --name=two --port=90", "service/two exposed"},
		{"annotate svc web a=b", "service/web annotated"},
		{"delete svc web two", `service "two" deleted`},
		{"create -f " + badFile(t), `unknown field "spec.sessionAfinity"`},
	} {
		if got := kubectl(t, l.server, strings.Fields("-n team "+tt.args)...); !strings.Contains(got, tt.want) {
			t.Errorf("kubectl %s: %q is not in:\n%s", tt.args, tt.want, got)
		}
	}
}

// TestKubectlExplains holds for kubectls that know OpenAPI v3; others say that
// there is no such resource.
func TestKubectlExplains(t *testing.T) {
	server := serve(t, "testdata/registry.yaml")
	for args, want := range map[string]string{
		"explain service.spec.ports.targetPort":     "Number or name of the port to access on the pods",
		"explain endpoints.subsets":                 "notReadyAddresses\t<[]EndpointAddress>",
		"explain endpointslices.endpoints":          "conditions\t<EndpointConditions>",
		"explain pod.spec.containers.livenessProbe": "periodSeconds\t<integer>",
	} {
		got := kubectl(t, server, strings.Fields(args)...)
		if !strings.Contains(got, want) && !strings.Contains(got, "couldn't find resource for") {
			t.Errorf("kubectl %s: %q is not in:\n%s", args, want, got)
		}
	}
}

// TestKubectlChunks lists more than kubectl asks for at a time.
func TestKubectlChunks(t *testing.T) {
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	const n = 1201 // three pages
	changes := make([]registry.Change, 0, n)
	for i := range n {
		changes = append(changes, registry.Put(service("many", fmt.Sprintf("s%d", i), 80)))
	}
	f.apply(changes...)
	server := httptest.NewServer(f)
	defer server.Close()
	got := strings.Fields(kubectl(t, server, "get", "svc", "-n", "many", "-o", "name"))
	if len(got) != n || got[0] != "service/s0" || got[n-1] != "service/s999" {
		t.Errorf("%d services", len(got))
	}
}
