package apiserver_test

import (
	"bufio"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/apiserver"
	"github.com/svcreg/svcreg/registry"
)

// kubectl runs the kubectl of the machine against a server and returns what it
// prints.
func kubectl(t *testing.T, server *httptest.Server, args ...string) string {
	t.Helper()
	out, err := command(t, server, args...).CombinedOutput()
	if err != nil {
		out = append(out, "("+err.Error()+")\n"...)
	}
	return string(out)
}

// kubectlVariable names another kubectl than the one on the PATH.
const kubectlVariable = "SVCREG_KUBECTL"

// everyKubectl runs a test with each kubectl that there is: the one on the PATH,
// and Debian's, which make test puts into bin where that is another.
func everyKubectl(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	all := []string{"kubectl"}
	if other := os.Getenv(kubectlVariable); other != "" {
		all = []string{other}
	} else if more, err := filepath.Abs("../../bin/kubectl-debian"); err == nil {
		if _, err := os.Stat(more); err == nil {
			all = append(all, more)
		}
	}
	for _, name := range all {
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Setenv(kubectlVariable, name)
			test(t)
		})
	}
}

// command is a kubectl that talks to a server and has a home of its own.
func command(t *testing.T, server *httptest.Server, args ...string) *exec.Cmd {
	t.Helper()
	name := os.Getenv(kubectlVariable)
	if name == "" {
		name = "kubectl"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("SVCREG_REQUIRE_ROOT") != "" {
			t.Fatal("no kubectl on the PATH: want the one of Debian's kubernetes-client, or any other")
		}
		t.Skip("no kubectl on the PATH")
	}
	cmd := exec.CommandContext(t.Context(), path, append([]string{"--server", server.URL}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "KUBECONFIG=/dev/null")
	return cmd
}

// TestKubectl holds for every kubectl from 1.20 to 1.32.
func TestKubectl(t *testing.T) { everyKubectl(t, testKubectl) }

func testKubectl(t *testing.T) {
	t.Helper()
	server := serve(t, "testdata/registry.yaml")
	tests := []struct{ args, want string }{
		{"get svc -A -o wide", `
NAMESPACE   NAME       TYPE           CLUSTER-IP   EXTERNAL-IP       PORT(S)         AGE         SELECTOR
default     headless   ClusterIP      None         <none>            5432/TCP        <unknown>   <none>
default     outside    ExternalName   <none>       www.example.org   <none>          <unknown>   <none>
default     public     LoadBalancer   10.0.0.13    192.0.2.1         443:30443/TCP   <unknown>   <none>
my-ns       old        ClusterIP      10.0.0.12    <none>            6379/TCP        <unknown>   app=redis
my-ns       web        ClusterIP      10.0.0.11    <none>            80/TCP,53/UDP   <unknown>   app=web
`},
		{"get svc -n my-ns web", `
NAME   TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)         AGE
web    ClusterIP   10.0.0.11    <none>        80/TCP,53/UDP   <unknown>
`},
		{"get svc -n empty", `
No resources found in empty namespace.
`},
		{"get svc nothere", `
Error from server (NotFound): services "nothere" not found
(exit status 1)
`},
		{"get ep,endpointslices -n my-ns", `
NAME            ENDPOINTS                                                     AGE
endpoints/web   10.244.1.1:8080,10.244.1.2:8080,10.244.1.3:8080 + 1 more...   <unknown>

NAME                                     ADDRESSTYPE   PORTS   ENDPOINTS    AGE
endpointslice.discovery.k8s.io/web-abc   IPv4          8080    10.244.1.1   <unknown>
`},
		{"get no -o wide", `
NAME     STATUS   ROLES    AGE         VERSION   INTERNAL-IP   EXTERNAL-IP   OS-IMAGE    KERNEL-VERSION   CONTAINER-RUNTIME
node-1   Ready    worker   <unknown>             192.0.2.11    <none>        <unknown>   <unknown>        <unknown>
`},
		{"get po -A -o wide", `
NAMESPACE   NAME    READY   STATUS    RESTARTS   AGE         IP           NODE     NOMINATED NODE   READINESS GATES
my-ns       web-1   1/1     Running   0          <unknown>   10.244.1.1   node-1   <none>           <none>
`},
		{"get ns", `
NAME    STATUS   AGE
my-ns   Active   <unknown>
`},
		{"get svc -A -l team=blue -o name", `
service/public
service/web
`},
		{"get svc -A --chunk-size=2 -o name", `
service/headless
service/outside
service/public
service/old
service/web
`},
		{"get svc -A --field-selector spec.type=LoadBalancer -o name", `
service/public
`},
		{"get svc -n my-ns old -o jsonpath={.apiVersion}:{.spec.clusterIP}:{.spec.ports[0].targetPort}", `
v1:10.0.0.12:6379`},
		{"get deployments", `
error: the server doesn't have a resource type "deployments"
(exit status 1)
`},
		{"api-resources --no-headers", `
endpoints        ep    v1                    true    Endpoints
namespaces       ns    v1                    false   Namespace
nodes            no    v1                    false   Node
pods             po    v1                    true    Pod
services         svc   v1                    true    Service
endpointslices         discovery.k8s.io/v1   true    EndpointSlice
`},
		{"get --raw /api/v1/nothing", `
Error from server (NotFound): the server could not find the requested resource
(exit status 1)
`},
		{"logs -n my-ns web-1", `
Error from server (MethodNotAllowed): svcreg has no kubelets: log is out of reach
(exit status 1)
`},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			got := "\n" + kubectl(t, server, strings.Fields(tt.args)...)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestKubectlDescribe is about what looks a little different in every kubectl.
func TestKubectlDescribe(t *testing.T) { everyKubectl(t, testKubectlDescribe) }

func testKubectlDescribe(t *testing.T) {
	t.Helper()
	server := serve(t, "testdata/registry.yaml")
	tests := []struct {
		args string
		want []string
	}{
		{"describe svc -n my-ns web", []string{"web", "team=blue", "owner: ops", "app=web", "ClusterIP", "SingleStack", "10.0.0.11", "80/TCP", "8080/TCP", "10.244.1.1:8080", "Session Affinity"}},
		{"describe po -n my-ns web-1", []string{"node-1/192.0.2.11", "app=web", "Running", "10.244.1.1", "8080/TCP"}},
		{"describe no node-1", []string{"worker", "192.0.2.11", "Ready", "my-ns", "web-1"}},
		{"version", []string{"+svcreg"}},
		{"get all -A", []string{"pod/web-1", "service/web"}},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			got := kubectl(t, server, strings.Fields(tt.args)...)
			for _, want := range tt.want {
				if !strings.Contains(got, want) {
					t.Errorf("%q is not in:\n%s", want, got)
				}
			}
		})
	}
}

// TestKubectlWatch has kubectl print changes as they happen.
func TestKubectlWatch(t *testing.T) { everyKubectl(t, testKubectlWatch) }

func testKubectlWatch(t *testing.T) {
	t.Helper()
	f := newFixture(t, apiserver.Config{}, "testdata/registry.yaml")
	server := httptest.NewServer(f)
	defer server.Close()
	cmd := command(t, server, "get", "svc", "-n", "my-ns", "-w")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	lines := bufio.NewScanner(out)
	next := func(want string) {
		t.Helper()
		if !lines.Scan() || strings.Join(strings.Fields(lines.Text()), " ") != want {
			t.Fatalf("kubectl prints %q, want %q", lines.Text(), want)
		}
	}
	next("NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE")
	next("old ClusterIP 10.0.0.12 <none> 6379/TCP <unknown>")
	next("web ClusterIP 10.0.0.11 <none> 80/TCP,53/UDP <unknown>")
	f.apply(registry.Put(service("my-ns", "new", 81)))
	next("new ClusterIP <none> <none> 81/TCP <unknown>")
}
