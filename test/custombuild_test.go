package test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// keep is what the custom CoreDNS has beside svcreg: all that comes with
// CoreDNS would take minutes. SVCREG_ALL_PLUGINS=1 keeps that.
var keep = []string{
	"root", "reload", "bind", "debug", "ready", "health", "prometheus", "errors", "log",
	"loadbalance", "rewrite", "dnssec", "cache", "hosts", "file", "forward",
}

// The README's lines put svcreg into the stock CoreDNS by its plugin.cfg.
func TestCustomCoreDNS(t *testing.T) {
	dir := besideCheckout(t, "coredns")
	module := coreDNS(t)
	if err := os.CopyFS(dir, os.DirFS(module.dir)); err != nil {
		t.Fatal(err)
	}
	section := customBuilds(t)
	if !strings.Contains(section, module.version) {
		t.Errorf("README.md doesn't say that it is CoreDNS %s", module.version)
	}
	lines := strings.Split(fenced(t, section, ""), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines, want 4: %q", len(lines), lines)
	}
	for i, line := range lines {
		shell(t, dir, line)
		if i == 0 && os.Getenv("SVCREG_ALL_PLUGINS") == "" {
			trim(t, filepath.Join(dir, "plugin.cfg"))
		}
	}
	binary := filepath.Join(dir, "coredns")
	if info, err := os.Stat(binary); err == nil {
		t.Logf("it has %d MB", info.Size()/1e6)
	}
	for _, plugin := range append(keep, "svcreg") {
		wantPlugin(t, binary, plugin)
	}
	serves(t, binary)
	signs(t, binary)
}

// So does the README's program.
func TestCustomProgram(t *testing.T) {
	dir := besideCheckout(t, "program")
	section := customBuilds(t)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(fenced(t, section, "go")), 0o600); err != nil {
		t.Fatal(err)
	}
	shell(t, dir, "go mod init example.org/program")
	for line := range strings.SplitSeq(fenced(t, section, ""), "\n") {
		if strings.HasPrefix(line, "go mod edit") || strings.HasPrefix(line, "go build") {
			shell(t, dir, line)
		}
	}
	binary := filepath.Join(dir, "program")
	wantPlugin(t, binary, "svcreg")
	serves(t, binary)
}

// besideCheckout makes a directory with this checkout beside it, as ../svcreg.
func besideCheckout(t *testing.T, name string) string {
	t.Helper()
	parent := t.TempDir()
	checkout, err := filepath.Abs("..")
	dir := filepath.Join(parent, name)
	if err := errors.Join(err, os.Symlink(checkout, filepath.Join(parent, "svcreg")), os.Mkdir(dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// module is one of those that svcreg is made of, in the module cache.
type module struct{ version, dir string }

func coreDNS(t *testing.T) module {
	t.Helper()
	out := shell(t, ".", "go list -m -f '{{.Version}} {{.Dir}}' github.com/coredns/coredns")
	version, dir, _ := strings.Cut(strings.TrimSpace(out), " ")
	if dir == "" {
		t.Fatalf("CoreDNS is not in the module cache: %q", out)
	}
	return module{version, dir}
}

// customBuilds returns the README's section.
func customBuilds(t *testing.T) string {
	t.Helper()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(readme), "\n## Custom builds\n")
	if !found {
		t.Fatal("README.md has no section Custom builds")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// fenced returns the first block of a language.
func fenced(t *testing.T, markdown, language string) string {
	t.Helper()
	block := regexp.MustCompile("(?ms)^```" + language + "\n(.*?)\n```$").FindStringSubmatch(markdown)
	if block == nil {
		t.Fatalf("README.md has no block of %q", language)
	}
	return block[1]
}

// shell runs a line as a user would, and compiles as make does: most is in the
// build cache already.
func shell(t *testing.T, dir, line string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath", "GOWORK=off")
	var errOut strings.Builder
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", line, err, errOut.String())
	}
	return string(out)
}

// trim leaves svcreg and what is to be kept in a plugin.cfg.
func trim(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(text)) {
		name, _, _ := strings.Cut(line, ":")
		if name == "svcreg" || slices.Contains(keep, name) {
			kept = append(kept, line)
		}
	}
	if err := os.WriteFile(file, []byte(strings.Join(kept, "")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func wantPlugin(t *testing.T, binary, plugin string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary, "-plugins").Output()
	if err != nil || !regexp.MustCompile(`(?m)^\s*(dns\.)?`+plugin+`$`).Match(out) {
		t.Errorf("%s -plugins: %v: %s want %s in it", binary, err, out, plugin)
	}
}

// serves starts a CoreDNS, and tests that it answers from a registry and
// follows it, and passes on what is not the registry's.
func serves(t *testing.T, binary string) {
	t.Helper()
	etcd := registrytest.StartEtcd(t)
	put := func(portalIP string) {
		t.Helper()
		service := fmt.Sprintf(`{"kind": "Service", "apiVersion": "v1beta1", "id": "my-service", "port": 80, "portalIP": %q}`, portalIP)
		if _, err := etcd.Client().Put(t.Context(), "/registry/services/specs/my-ns/my-service", service); err != nil {
			t.Fatal(err)
		}
	}
	put("10.0.0.11")
	upstream, address := fakeUpstream(t), registrytest.FreeAddress(t)
	host, port, _ := net.SplitHostPort(address)
	corefile := filepath.Join(t.TempDir(), "Corefile")
	text := fmt.Sprintf(`. {
    errors
    svcreg cluster.local {
        endpoint %s
    }
    forward . %s
}
`, etcd.Endpoint(), upstream)
	if err := os.WriteFile(corefile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, nil, binary, "-conf", corefile, "-dns.port", port)
	for _, portalIP := range []string{"10.0.0.11", "10.0.0.12"} {
		put(portalIP)
		eventually(t, patience, "the service is answered", func() error {
			return wantA(t.Context(), net.JoinHostPort(host, port), "my-service.my-ns.svc.cluster.local.", portalIP)
		})
	}
	eventually(t, patience, "another name is passed on", func() error {
		return wantA(t.Context(), address, "www.example.org.", "192.0.2.80")
	})
}

// fakeUpstream answers every question with one address.
func fakeUpstream(t *testing.T) string {
	t.Helper()
	conn, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg).SetReply(r)
		a, err := dns.NewRR(r.Question[0].Name + " A 192.0.2.80")
		if err == nil {
			m.Answer = append(m.Answer, a)
		}
		_ = w.WriteMsg(m)
	})}
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	t.Cleanup(func() {
		conn.Close()
		<-ended
	})
	return conn.LocalAddr().String()
}

// wantA returns an error unless a server has one address for a name.
func wantA(ctx context.Context, server, name, address string) error {
	c := dns.Client{Timeout: time.Second}
	m, _, err := c.ExchangeContext(ctx, new(dns.Msg).SetQuestion(name, dns.TypeA), server)
	if err != nil {
		return err
	}
	if len(m.Answer) != 1 {
		return fmt.Errorf("%d records, %s", len(m.Answer), dns.RcodeToString[m.Rcode])
	}
	a, ok := m.Answer[0].(*dns.A)
	if !ok {
		return fmt.Errorf("got %s", m.Answer[0])
	}
	return want(a.A.String(), address)
}
