package registrytest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/version"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// Member is one etcd of a cluster, a process of its own that can be killed and
// paused.
type Member struct {
	tb      testing.TB
	name    string
	cluster string
	binary  string
	dir     string
	client  url.URL
	peer    url.URL
	process *exec.Cmd // nil while it doesn't run
}

// StartCluster starts an etcd cluster of real processes on loopback ports, and
// kills them when the test ends.
func StartCluster(tb testing.TB, size int) []*Member {
	tb.Helper()
	binary, dir := EtcdBinary(tb), tb.TempDir()
	var members []*Member
	var peers []string
	for i := range size {
		name := fmt.Sprintf("m%d", i)
		m := &Member{tb: tb, name: name, binary: binary, dir: filepath.Join(dir, name), client: freeURL(tb), peer: freeURL(tb)}
		members = append(members, m)
		peers = append(peers, name+"="+m.peer.String())
	}
	for _, m := range members {
		m.cluster = strings.Join(peers, ",")
		tb.Cleanup(m.Kill)
		m.Start()
	}
	for _, m := range members {
		m.await()
	}
	return members
}

// Endpoints returns the URLs of some members.
func Endpoints(members ...*Member) []string {
	var endpoints []string
	for _, m := range members {
		endpoints = append(endpoints, m.client.String())
	}
	return endpoints
}

// Start starts the member with the data it has. It doesn't wait until it
// serves.
func (m *Member) Start() {
	m.tb.Helper()
	m.process = exec.Command(m.binary, "--name", m.name, "--data-dir", m.dir,
		"--listen-client-urls", m.client.String(), "--advertise-client-urls", m.client.String(),
		"--listen-peer-urls", m.peer.String(), "--initial-advertise-peer-urls", m.peer.String(),
		"--initial-cluster", m.cluster, "--heartbeat-interval", "50", "--election-timeout", "500",
		"--unsafe-no-fsync", "--log-outputs", m.dir+".log")
	m.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := m.process.Start(); err != nil {
		m.tb.Fatalf("start etcd: %v", err)
	}
}

// Kill ends the member with SIGKILL, if it runs, and waits until it is gone.
func (m *Member) Kill() {
	if m.process != nil {
		_ = m.process.Process.Kill()
		_ = m.process.Wait()
		m.process = nil
	}
}

// Pause stops the process with SIGSTOP: connections to it stay open, but
// nobody answers.
func (m *Member) Pause() { m.signal(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (m *Member) Resume() { m.signal(syscall.SIGCONT) }

func (m *Member) signal(s syscall.Signal) {
	m.tb.Helper()
	if err := m.process.Process.Signal(s); err != nil {
		m.tb.Fatalf("%v to etcd %s: %v", s, m.name, err)
	}
}

// await waits until the member serves.
func (m *Member) await() {
	m.tb.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: Endpoints(m), Logger: zap.NewNop()})
	if err != nil {
		m.tb.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), etcdStartTimeout)
	defer cancel()
	for {
		_, err := client.Get(ctx, "/")
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			log, _ := os.ReadFile(m.dir + ".log")
			m.tb.Fatalf("etcd %s doesn't serve: %v\n%s", m.name, err, log)
		}
	}
}

// EtcdBinary returns the path of an etcd server of the version in go.mod. It
// is built once and kept in the user's cache directory.
func EtcdBinary(tb testing.TB) string {
	tb.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		tb.Fatal(err)
	}
	binary := filepath.Join(cache, "svcreg-test", "etcd-"+version.Version)
	if _, err := os.Stat(binary); err == nil {
		return binary
	}
	start := time.Now()
	built := filepath.Join(filepath.Dir(binary), fmt.Sprintf(".etcd-%d", os.Getpid()))
	build := exec.Command("go", "build", "-o", built, "go.etcd.io/etcd/server/v3")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make builds it, too
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("build etcd: %v\n%s", err, out)
	}
	if err := os.Rename(built, binary); err != nil {
		tb.Fatal(err)
	}
	tb.Logf("built %s in %v", binary, time.Since(start).Round(time.Second))
	return binary
}
