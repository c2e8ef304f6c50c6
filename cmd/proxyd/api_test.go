//go:build linux

package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/node"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// apiNode is the real proxyd with its API, beside a real etcd, programming no
// kernel; and a service default/web with one endpoint.
type apiNode struct {
	t    *testing.T
	etcd *registrytest.Etcd
	api  string // where it listens
	log  *registrytest.Log
	home string // of kubectl
}

func startAPI(t *testing.T, args ...string) *apiNode {
	t.Helper()
	n := &apiNode{t: t, etcd: registrytest.StartEtcd(t), api: registrytest.FreeAddress(t), log: &registrytest.Log{}, home: t.TempDir()}
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s for %s\n", r.Method, r.URL.Path, r.Header.Get("X-Forwarded-Host"))
	}))
	t.Cleanup(backend.Close)
	port := backend.Listener.Addr().(*net.TCPAddr).Port
	n.put("/registry/servicecidrs/kubernetes", `{"kind": "ServiceCIDR", "apiVersion": "networking.k8s.io/v1", "metadata": {"name": "kubernetes"}, "spec": {"cidrs": ["10.0.0.0/16"]}}`)
	n.put("/registry/services/specs/default/web", `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "default"},
		"spec": {"clusterIP": "10.0.0.80", "ports": [{"protocol": "TCP", "port": 80}]}}`)
	n.put("/registry/services/endpoints/default/web", fmt.Sprintf(`{"kind": "Endpoints", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "default"},
		"subsets": [{"addresses": [{"ip": "127.0.0.1"}], "ports": [{"protocol": "TCP", "port": %d}]}]}`, port))
	program, err := exec.LookPath("proxyd")
	if err != nil {
		t.Fatal(err)
	}
	healthz := registrytest.FreeAddress(t)
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, append([]string{
		"--etcd-endpoints=" + n.etcd.Endpoint(), "--proxy-mode=none", "--healthz-listen=" + healthz, "--metrics-listen=", "--controllers=",
		"--api-listen=" + n.api,
	}, args...)...)
	cmd.Stdout, cmd.Stderr = n.log, n.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil && !t.Failed() {
			t.Errorf("proxyd ended with %v", err)
		}
		if t.Failed() {
			t.Logf("proxyd said:\n%s", n.log)
		}
	})
	n.eventually("it is ready", func() error {
		if code, body := n.curl("http://"+healthz+"/readyz", nil); code != http.StatusOK {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
	return n
}

func (n *apiNode) put(key, value string) {
	n.t.Helper()
	if _, err := n.etcd.Client().Put(n.t.Context(), key, value); err != nil {
		n.t.Fatal(err)
	}
}

func (n *apiNode) eventually(what string, try func() error) {
	n.t.Helper()
	(&fleet{t: n.t}).eventually(what, try)
}

// kubectl returns what kubectl prints, and how it ended if not well.
func (n *apiNode) kubectl(stdin string, args ...string) string {
	n.t.Helper()
	path, err := exec.LookPath("kubectl")
	if err != nil {
		n.t.Skip("no kubectl on the PATH")
	}
	ctx, cancel := context.WithTimeout(n.t.Context(), patient)
	defer cancel()
	if len(args) > 0 && !strings.HasPrefix(args[0], "--server=") {
		args = append([]string{"--server=http://" + n.api}, args...)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "HOME="+n.home, "KUBECONFIG=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		out = append(out, "("+err.Error()+")\n"...)
	}
	return string(out)
}

// becomes runs kubectl until it prints a text.
func (n *apiNode) becomes(want string, args ...string) {
	n.t.Helper()
	n.eventually(strings.Join(args, " "), func() error {
		if got := n.kubectl("", args...); !strings.Contains(got, want) {
			return fmt.Errorf("prints %s", got)
		}
		return nil
	})
}

const webProxy = "/api/v1/namespaces/default/services/web/proxy/"

// What the README promises: kubectl and curl reach the registry, and services
// through the proxy path.
func TestAPIWithKubectl(t *testing.T) {
	n := startAPI(t, "--api-allow-addresses=127.0.0.0/8")
	want := `
NAME   TYPE        CLUSTER-IP   EXTERNAL-IP   PORT(S)   AGE
web    ClusterIP   10.0.0.80    <none>        80/TCP    <unknown>
`
	if diff := cmp.Diff(want, "\n"+n.kubectl("", "get", "svc")); diff != "" {
		t.Error(diff)
	}
	if got, want := n.kubectl("", "get", "--raw", webProxy+"a/b"), "GET /a/b for "+n.api+"\n"; got != want {
		t.Errorf("get --raw of the proxy path: %q, want %q", got, want)
	}
	created := n.kubectl(`{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "two"}, "spec": {"ports": [{"port": 80}]}}`,
		"apply", "--validate=false", "-f", "-")
	if created != "service/two created\n" {
		t.Errorf("apply: %q", created)
	}
	n.becomes("two", "get", "svc", "-o", "name")
	n.becomes("ClusterIP", "get", "svc", "two") // it got a portal IP
	if got := n.kubectl("", "delete", "svc", "two"); got != "service \"two\" deleted\n" && got != "service \"two\" deleted from default namespace\n" {
		t.Errorf("delete: %q", got)
	}
	for _, line := range []string{"msg=proxied", "user=system:anonymous", "msg=registry", "method=DELETE"} {
		n.eventually("the log has "+line, func() error { // lines that come at a time are written together, a little later
			if !n.log.Has(line) {
				return errors.New(n.log.String())
			}
			return nil
		})
	}
}

// Without a word of the operator, the proxy path leads to no loopback address,
// and no web page of another name reaches the API.
func TestAPIByDefault(t *testing.T) {
	n := startAPI(t)
	if code, body := n.curl("http://"+n.api+webProxy, nil); code != 400 || !strings.Contains(body, "address not allowed") {
		t.Errorf("a loopback address: %d %s", code, body)
	}
	header := http.Header{"Host": {"evil.example.org"}}
	if code, body := n.curl("http://"+n.api+"/version", header); code != 403 || !strings.Contains(body, `"reason":"Forbidden"`) {
		t.Errorf("by another name: %d %s", code, body)
	}
	header = http.Header{"Origin": {"http://evil.example.org"}, "X-Method": {"POST"}}
	if code, body := n.curl("http://"+n.api+"/api/v1/namespaces/default/services", header); code != 403 || !strings.Contains(body, `"reason":"Forbidden"`) {
		t.Errorf("from another origin: %d %s", code, body)
	}
	if code, _ := n.curl("http://"+n.api+"/version", nil); code != 200 {
		t.Errorf("/version: %d", code)
	}
}

// The proxy path leads to nothing that controls the node, such as proxyd's own
// metrics.
func TestAPILeavesControlsAlone(t *testing.T) {
	own, err := node.Addrs()
	if err != nil || len(own) == 0 {
		t.Skip("this machine has no address but loopback:", err)
	}
	l, err := net.Listen("tcp", netip.AddrPortFrom(own[0], 0).String())
	if err != nil {
		t.Fatal(err)
	}
	metrics := l.Addr().(*net.TCPAddr)
	l.Close()
	n := startAPI(t, "--metrics-listen="+metrics.String())
	n.put("/registry/services/specs/default/metrics", `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "metrics", "namespace": "default"},
		"spec": {"clusterIP": "10.0.0.81", "ports": [{"protocol": "TCP", "port": 80}]}}`)
	n.put("/registry/services/endpoints/default/metrics", fmt.Sprintf(`{"kind": "Endpoints", "apiVersion": "v1", "metadata": {"name": "metrics", "namespace": "default"},
		"subsets": [{"addresses": [{"ip": %q}], "ports": [{"protocol": "TCP", "port": %d}]}]}`, own[0], metrics.Port))
	n.eventually("it is refused", func() error {
		if code, body := n.curl("http://"+n.api+strings.Replace(webProxy, "web", "metrics", 1), nil); code != 400 || !strings.Contains(body, "address not allowed") {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	})
}

// curl asks with headers, of which Host and X-Method are the request's own.
func (n *apiNode) curl(url string, header http.Header) (int, string) {
	n.t.Helper()
	r, err := http.NewRequestWithContext(n.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	for k, v := range header {
		r.Header[k] = v
	}
	r.Host = r.Header.Get("Host")
	if method := r.Header.Get("X-Method"); method != "" {
		r.Method = method
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(body)
}

// With TLS and tokens: who has none is nobody, and who has one may do what the
// rules grant. Files are read again when they change.
func TestAPIWithTokens(t *testing.T) {
	dir := t.TempDir()
	tls := registrytest.KeyPair(t)
	tokens, rules := filepath.Join(dir, "tokens.csv"), filepath.Join(dir, "rules.yaml")
	write := func(file, content string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(tokens, "alices-token,alice,1,\"web,ops\"\nbobs-token,bob,2\n")
	write(rules, "rules:\n- groups: [ops]\n  namespaces: [default]\n  services: [web]\n  registry: read\n- users: [bob]\n  services: [other-*]\n")
	n := startAPI(t, "--api-tls-cert="+tls.CertFile, "--api-tls-key="+tls.KeyFile, "--api-token-file="+tokens,
		"--api-allow-file="+rules, "--api-allow-addresses=127.0.0.0/8")
	as := func(token string, args ...string) []string {
		return append([]string{"--server=https://" + n.api, "--certificate-authority=" + tls.CertFile, "--token=" + token}, args...)
	}
	n.becomes("GET / for", as("alices-token", "get", "--raw", webProxy)...)
	n.becomes("10.0.0.80", as("alices-token", "get", "svc", "web")...)
	for _, tt := range []struct {
		token, args, want string
	}{
		{"no-token", "get svc", "You must be logged in to the server"},
		{"alices-token", "get svc -A", `services is forbidden: the registry may not be reached so by this client`},
		{"alices-token", "delete svc web", `services "web" is forbidden: the registry may not be reached so by this client`},
		{"bobs-token", "get svc", `services is forbidden`},
		{"bobs-token", "get --raw " + webProxy, `services "web" is forbidden`},
	} {
		if got := n.kubectl("", as(tt.token, strings.Fields(tt.args)...)...); !strings.Contains(got, tt.want) || !strings.Contains(got, "exit status 1") {
			t.Errorf("%s: %s: %s, want %s", tt.token, tt.args, got, tt.want)
		}
	}
	if code, body := n.curl("http://"+n.api+"/version", nil); code != 400 {
		t.Errorf("without TLS: %d %s", code, body)
	}
	write(tokens, "alices-other,alice,1,ops\n")
	n.becomes("GET / for", as("alices-other", "get", "--raw", webProxy)...)
	n.becomes("must be logged in", as("alices-token", "get", "svc")...)
	write(rules, "rules:\n- users: [bob]\n  services: [web]\n")
	n.becomes(`services "web" is forbidden`, as("alices-other", "get", "--raw", webProxy)...)
	n.eventually("the log names who asked", func() error {
		if !n.log.Has("user=alice") {
			return errors.New(n.log.String())
		}
		return nil
	})
	if n.log.Has("-token") {
		t.Errorf("the log tells tokens:\n%s", n.log)
	}
}

// Endpoints of https are trusted if an authority speaks for them that the
// operator names, or if the operator says that all are.
func TestAPIToHTTPS(t *testing.T) {
	backend := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "secure") }))
	backend.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes fail here on purpose
	backend.StartTLS()
	defer backend.Close()
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: backend.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 503, "certificate signed by unknown authority"},
		{[]string{"--api-backend-ca=" + authority}, 200, "secure"},
		{[]string{"--api-backend-insecure"}, 200, "secure"},
	} {
		n := startAPI(t, append(tt.args, "--api-allow-addresses=127.0.0.0/8")...)
		n.put("/registry/minions/self", `{"kind": "Node", "apiVersion": "v1", "metadata": {"name": "self"}, "status": {"addresses": [{"type": "InternalIP", "address": "127.0.0.1"}]}}`)
		n.eventually(strings.Join(tt.args, " "), func() error {
			url := fmt.Sprintf("http://%s/api/v1/nodes/https:self:%d/proxy/", n.api, backend.Listener.Addr().(*net.TCPAddr).Port)
			if code, body := n.curl(url, nil); code != tt.code || !strings.Contains(body, tt.want) {
				return fmt.Errorf("%d %s, want %d %s", code, body, tt.code, tt.want)
			}
			return nil
		})
	}
	cmd := exec.CommandContext(t.Context(), "proxyd", "--proxy-mode=none", "--healthz-listen=", "--metrics-listen=", "--api-listen="+registrytest.FreeAddress(t), "--api-backend-ca=/dev/null")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.HasPrefix(string(out), "proxyd: --api-backend-ca: ") || !strings.Contains(string(out), "want a file of PEM certificates") {
		t.Errorf("a file that holds none: %v: %s", err, out)
	}
}

// The proxy path goes on while etcd is away, with what is known.
func TestAPIWithoutEtcd(t *testing.T) {
	n := startAPI(t, "--api-allow-addresses=127.0.0.0/8")
	reached := func() error {
		if code, body := n.curl("http://"+n.api+webProxy, nil); code != 200 {
			return fmt.Errorf("%d %s", code, body)
		}
		return nil
	}
	if err := reached(); err != nil {
		t.Error(err)
	}
	n.etcd.Stop()
	start := time.Now()
	if err := reached(); err != nil || time.Since(start) > 2*time.Second {
		t.Errorf("without etcd: %v, after %v", err, time.Since(start))
	}
	if code, body := n.curl("http://"+n.api+"/api/v1/services", nil); code != 503 || !strings.Contains(body, `"reason":"ServiceUnavailable"`) {
		t.Errorf("the registry without etcd: %d %s", code, body)
	}
}

// Whoever listens at the default address already keeps proxyd from nothing but
// its API: nobody asked for that.
func TestAPIDefaultAddressTaken(t *testing.T) {
	f := newFleet(t)
	l, err := f.node.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f.start()
	f.reaches(f.client, "tcp", portal, "one")
}

// At another address that is an error.
func TestAPIAddressTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cmd := exec.CommandContext(t.Context(), "proxyd", "--proxy-mode=none", "--healthz-listen=", "--metrics-listen=", "--api-listen="+taken.Addr().String())
	out, err := cmd.CombinedOutput()
	want := "proxyd: --api-listen: listen tcp " + taken.Addr().String() + ": bind: address already in use\n"
	if err == nil || string(out) != want {
		t.Errorf("%v: %s, want %s", err, out, want)
	}
}
