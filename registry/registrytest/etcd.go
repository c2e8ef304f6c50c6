package registrytest

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/zap"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
)

// Etcd is a real etcd of one member that runs inside the test process.
type Etcd struct {
	tb     testing.TB
	dir    string
	client url.URL
	peer   url.URL
	adjust []func(*embed.Config)

	server  *embed.Etcd // nil while stopped
	connect func() *clientv3.Client
}

const (
	etcdStartTimeout = 30 * time.Second
	startAttempts    = 10
)

// StartEtcd starts an etcd on a loopback port with its data below tb.TempDir,
// and stops it when the test ends. The data isn't synced to disk: it survives
// Restart, but not the machine. Functions may adjust the configuration.
func StartEtcd(tb testing.TB, adjust ...func(*embed.Config)) *Etcd {
	tb.Helper()
	e := &Etcd{tb: tb, dir: filepath.Join(tb.TempDir(), "etcd"), adjust: adjust}
	e.connect = sync.OnceValue(e.newClient)
	tb.Cleanup(e.Stop)
	for attempt := 1; ; attempt++ {
		e.client, e.peer = freeURL(tb), freeURL(tb)
		err := e.start()
		if err == nil {
			return e
		}
		if attempt == startAttempts {
			tb.Fatalf("start etcd: %v", err)
		}
	}
}

// Endpoint returns the URL that clients connect to. It stays the same over
// Stop and Restart.
func (e *Etcd) Endpoint() string { return e.client.String() }

// Client returns a client that the test shares and doesn't close.
func (e *Etcd) Client() *clientv3.Client { return e.connect() }

// Stop stops the etcd and keeps its data. It does nothing if it is stopped.
func (e *Etcd) Stop() {
	if e.server != nil {
		e.server.Close()
		e.server = nil
	}
}

// Restart stops the etcd if it runs, and starts it on the same port with the
// data it had.
func (e *Etcd) Restart() {
	e.tb.Helper()
	e.Stop()
	for deadline := time.Now().Add(etcdStartTimeout); ; {
		err := e.start()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			e.tb.Fatalf("restart etcd: %v", err)
		}
	}
}

// Reset is Restart with the data lost: the etcd comes back empty, at
// revision 1.
func (e *Etcd) Reset() {
	e.tb.Helper()
	e.Stop()
	if err := os.RemoveAll(e.dir); err != nil {
		e.tb.Fatalf("reset etcd: %v", err)
	}
	e.Restart()
}

// start starts the server and waits until it serves.
func (e *Etcd) start() error {
	server, err := embed.StartEtcd(e.config())
	if err != nil {
		return err
	}
	select {
	case <-server.Server.ReadyNotify():
		e.server = server
		return nil
	case err = <-server.Err():
	case <-time.After(etcdStartTimeout):
		err = fmt.Errorf("not ready after %v", etcdStartTimeout)
	}
	server.Close()
	return err
}

// config returns a configuration that elects quickly and logs nothing.
func (e *Etcd) config() *embed.Config {
	c := embed.NewConfig()
	c.Dir = e.dir
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	c.TickMs, c.ElectionMs = 10, 100
	c.UnsafeNoFsync = true
	c.EnableGRPCGateway = false
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{e.client}, []url.URL{e.client}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{e.peer}, []url.URL{e.peer}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	c.BcryptCost = 4 // the least: passwords are soon checked
	for _, adjust := range e.adjust {
		adjust(c)
	}
	if now := c.AdvertiseClientUrls[0]; now != e.client { // at the first start, if ever: others read it later
		e.client = now
	}
	return c
}

func (e *Etcd) newClient() *clientv3.Client {
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{e.Endpoint()}, Logger: zap.NewNop(), DialOptions: []grpc.DialOption{impatient}})
	if err != nil {
		e.tb.Fatalf("connect to etcd: %v", err)
	}
	e.tb.Cleanup(func() { _ = client.Close() })
	return client
}

// impatient has a client try again before long: an etcd that was stopped for
// seconds, and is back, is reached at once.
var impatient = grpc.WithConnectParams(grpc.ConnectParams{
	Backoff: backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.5, MaxDelay: 500 * time.Millisecond},
})

func freeURL(tb testing.TB) url.URL {
	tb.Helper()
	return url.URL{Scheme: "http", Host: FreeAddress(tb)}
}
