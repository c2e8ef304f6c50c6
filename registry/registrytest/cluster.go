package registrytest

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/version"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// Place is where a member of a cluster runs, such as a network namespace.
type Place struct {
	Client, Peer url.URL // what it listens at
	// Command prepares a program that will run there, and ends with the test
	// process.
	Command func(ctx context.Context, name string, args ...string) *exec.Cmd
	// Dial opens a connection from there.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Member is one etcd of a cluster, a process of its own that can be killed and
// paused.
type Member struct {
	Place
	tb      testing.TB
	name    string
	cluster string // all members' names and peer URLs, as etcd's flag has them
	token   string // makes the cluster's ID, together with the peer URLs
	binary  string
	dir     string
	process *exec.Cmd // nil while it doesn't run
	connect func() *clientv3.Client
}

// StartCluster starts an etcd cluster of real processes on loopback ports, and
// kills them when the test ends.
func StartCluster(tb testing.TB, size int) []*Member {
	tb.Helper()
	places := make([]Place, size)
	for i := range places {
		places[i] = Place{freeURL(tb), freeURL(tb), command, (&net.Dialer{}).DialContext}
	}
	return StartClusterAt(tb, places...)
}

// StartClusterAt is StartCluster with a member at each of some places.
func StartClusterAt(tb testing.TB, places ...Place) []*Member {
	tb.Helper()
	binary, dir := EtcdBinary(tb), tb.TempDir()
	var members []*Member
	var peers []string
	for i, place := range places {
		name := fmt.Sprintf("m%d", i)
		m := &Member{Place: place, tb: tb, name: name, token: "first", binary: binary, dir: filepath.Join(dir, name)}
		m.connect = sync.OnceValue(m.newClient)
		members = append(members, m)
		peers = append(peers, name+"="+m.Peer.String())
	}
	for _, m := range members {
		m.cluster = strings.Join(peers, ",")
		tb.Cleanup(m.Kill)
	}
	startAll(members)
	return members
}

// command is how a program runs on the machine itself.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// startAll starts members and waits until they serve.
func startAll(members []*Member) {
	for _, m := range members {
		m.Start()
	}
	for _, m := range members {
		m.await()
	}
}

// Endpoints returns the URLs of some members.
func Endpoints(members ...*Member) []string {
	var endpoints []string
	for _, m := range members {
		endpoints = append(endpoints, m.Client.String())
	}
	return endpoints
}

// Connect returns a client of this member alone, from where it runs. The test
// shares it and doesn't close it.
func (m *Member) Connect() *clientv3.Client { return m.connect() }

// Start starts the member with the data it has. It doesn't wait until it
// serves.
func (m *Member) Start() {
	m.tb.Helper()
	m.process = m.Command(context.Background(), m.binary, "--name", m.name, "--data-dir", m.dir,
		"--listen-client-urls", m.Client.String(), "--advertise-client-urls", m.Client.String(),
		"--listen-peer-urls", m.Peer.String(), "--initial-advertise-peer-urls", m.Peer.String(),
		"--initial-cluster", m.cluster, "--initial-cluster-token", m.token,
		"--heartbeat-interval", "50", "--election-timeout", "500",
		"--unsafe-no-fsync", "--log-outputs", m.dir+".log")
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
	ctx, cancel := context.WithTimeout(context.Background(), etcdStartTimeout)
	defer cancel()
	for {
		_, err := m.Connect().Get(ctx, "/")
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			log, _ := os.ReadFile(m.dir + ".log")
			m.tb.Fatalf("etcd %s doesn't serve: %v\n%s", m.name, err, log)
		}
	}
}

func (m *Member) newClient() *clientv3.Client {
	client, err := clientv3.New(clientv3.Config{
		Endpoints: Endpoints(m),
		Logger:    zap.NewNop(),
		DialOptions: []grpc.DialOption{
			impatient,
			grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
				return m.Dial(ctx, "tcp", strings.TrimPrefix(address, "http://"))
			}),
		},
	})
	if err != nil {
		m.tb.Fatalf("connect to etcd: %v", err)
	}
	m.tb.Cleanup(func() { _ = client.Close() })
	return client
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
	if there(binary) {
		return binary
	}
	// Those who run at the same time want it at the same time.
	if err := os.MkdirAll(filepath.Dir(binary), 0o750); err != nil {
		tb.Fatal(err)
	}
	lock, err := os.Create(binary + ".lock")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = lock.Close() }() // and with it the lock
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		tb.Fatalf("lock %s: %v", lock.Name(), err)
	}
	if !there(binary) {
		buildEtcd(tb, binary)
	}
	return binary
}

func there(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// buildEtcd builds an etcd server, which is there once it is whole.
func buildEtcd(tb testing.TB, binary string) {
	tb.Helper()
	start := time.Now()
	built := binary + ".new"
	build := exec.Command("go", "build", "-o", built, "go.etcd.io/etcd/server/v3")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // as make builds it, too
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("build etcd: %v\n%s", err, out)
	}
	if err := os.Rename(built, binary); err != nil {
		tb.Fatal(err)
	}
	tb.Logf("built %s in %v", binary, time.Since(start).Round(time.Second))
}
