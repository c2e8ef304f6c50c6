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
func TestKubectlOutOfReach(t *testing.T) { everyKubectl(t, testKubectlOutOfReach) }

func testKubectlOutOfReach(t *testing.T) {
	t.Helper()
	l := newLive(t)
	l.client.Put(t.Context(), "/registry/pods/team/p", `{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "p", "namespace": "team"},
		"spec": {"nodeName": "n", "containers": [{"name": "c", "ports": [{"containerPort": 80}]}]}, "status": {"phase": "Running", "podIP": "10.244.1.1"}}`)
	l.client.Put(t.Context(), "/registry/minions/n", `{"kind": "Node", "apiVersion": "v1", "metadata": {"name": "n"}}`)
	l.do("POST", inTeam, asJSON, newWeb)
	good := fileOf(t, "apiVersion: v1\nkind: Service\nmetadata: {name: good}\nspec: {ports: [{port: 80}]}\n")
	const noMethod = "the server does not allow this method on the requested resource"
	for args, want := range map[string]string{
		"exec p -- ls":                   "exec is out of reach",
		"attach p":                       "attach is out of reach",
		"port-forward p 80":              "portforward is out of reach",
		"port-forward svc/web 80":        "Service is defined without a selector",
		"logs p":                         "log is out of reach",
		"top po":                         "Metrics API not available",
		"top no":                         "Metrics API not available",
		"run x --image=y":                noMethod,
		"create ns x":                    noMethod,
		"delete po p":                    noMethod,
		"label no n a=b":                 noMethod,
		"auth can-i get svc":             "the server could not find the requested resource",
		"get deploy":                     `the server doesn't have a resource type "deploy"`,
		"scale deploy/x --replicas=1":    `the server doesn't have a resource type "deploy"`,
		"get componentstatuses":          `the server doesn't have a resource type "componentstatuses"`,
		"autoscale svc web --max=2":      "cannot autoscale a Service: could not find scale subresource",
		"scale svc web --replicas=2":     "could not find the requested resource",
		"rollout status svc web":         "no status viewer has been implemented for Service",
		"auth can-i --list":              "the server could not find the requested resource",
		"create deployment d --image=y":  "error: ",
		"drain n --force":                noMethod,
		"taint no n a=b:NoSchedule":      noMethod,
		"cp p:/a /tmp/b":                 "exec is out of reach",
		"patch endpointslices x -p {}":   `"x" not found`,
		"apply --server-side -f " + good: "want kubectl apply --server-side=false",
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
	return fileOf(t, "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: [{port: 80}], sessionAfinity: None}\n")
}

// fileOf returns a file with some content.
func fileOf(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestKubectlExplains is about OpenAPI: v3, and v2 for kubectls before 1.27,
// which print it otherwise.
func TestKubectlExplains(t *testing.T) { everyKubectl(t, testKubectlExplains) }

func testKubectlExplains(t *testing.T) {
	t.Helper()
	server := serve(t, "testdata/registry.yaml")
	for args, want := range map[string]string{
		"explain service.spec.ports.targetPort":     "Number or name of the port to access on the pods",
		"explain endpoints.subsets":                 "notReadyAddresses\t<[]",
		"explain endpointslices.endpoints":          "conditions\t<",
		"explain svc.spec":                          "loadBalancerSourceRanges\t<[]string>",
		"explain pod.spec.containers.livenessProbe": "periodSeconds\t<integer>",
	} {
		got := kubectl(t, server, strings.Fields(args)...)
		if !strings.Contains(strings.Join(strings.Fields(got), " "), strings.Join(strings.Fields(want), " ")) {
			t.Errorf("kubectl %s: %q is not in:\n%s", args, want, got)
		}
	}
}

// TestKubectlChunks lists more than kubectl asks for at a time.
func TestKubectlChunks(t *testing.T) { everyKubectl(t, testKubectlChunks) }

func testKubectlChunks(t *testing.T) {
	t.Helper()
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
