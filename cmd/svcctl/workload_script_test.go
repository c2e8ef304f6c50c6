package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	clientv3 "go.etcd.io/etcd/client/v3"

	controller "github.com/svcreg/svcreg/proxyd/endpoints"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// TestWorkloads runs the scenarios of testdata/workload, each with an etcd of
// its own and, beside it, proxyd's controller that makes endpoints of pods.
func TestWorkloads(t *testing.T) {
	layout, err := codec.NewLayout("")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/workload",
		Setup: func(env *testscript.Env) error {
			etcd := registrytest.StartEtcd(t)
			env.Defer(etcd.Stop)
			env.Values[clientKey{}] = etcd.Client()
			env.Setenv("ETCDCTL_ENDPOINTS", etcd.Endpoint())
			health := &healthServer{}
			health.status.Store(http.StatusServiceUnavailable)
			server := httptest.NewServer(health)
			env.Defer(server.Close)
			env.Values[healthKey{}] = health
			env.Setenv("SERVER", server.Listener.Addr().String())
			systemd, err := newSystemd(env.WorkDir)
			if err != nil {
				return err
			}
			env.Defer(func() { _ = systemd.Close() })
			ctx, cancel := context.WithCancel(context.Background())
			var running sync.WaitGroup
			running.Go(func() {
				_ = controller.Run(ctx, controller.Config{
					Client: etcd.Client(), Layout: layout, Node: "node", Logger: slog.New(slog.DiscardHandler),
				})
			})
			env.Defer(func() { cancel(); running.Wait() })
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"put": putCommand, "value": valueCommand, "exits": exitsCommand, "until": untilCommand, "endpoints": endpointsCommand, "revoke": revokeCommand, "await": awaitCommand, "status": statusCommand,
		},
	})
}

// newSystemd listens at notify.sock as systemd does, and appends what it is told
// to the file notified.
func newSystemd(dir string) (*net.UnixConn, error) {
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify.sock"), Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	go func() {
		for buf := make([]byte, 1024); ; {
			n, err := socket.Read(buf)
			if err != nil {
				return
			}
			_ = os.WriteFile(filepath.Join(dir, "notified"), append(buf[:n], '\n'), 0o600)
		}
	}()
	return socket, nil
}

// healthServer is what a workload's health check asks, at $SERVER.
type healthServer struct{ status atomic.Int64 }

type healthKey struct{}

func (h *healthServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/healthz" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("Location", "/elsewhere")
	w.WriteHeader(int(h.status.Load()))
}

// statusCommand says what health checks are answered from now on: status CODE.
func statusCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: status CODE")
	}
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	ts.Value(healthKey{}).(*healthServer).status.Store(int64(code))
}

// endpointsCommand waits until those endpoints of my-ns are ready, and no
// others: endpoints [ADDRESS:PORT...].
func endpointsCommand(ts *testscript.TestScript, neg bool, args []string) {
	var got []string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if got = readyEndpoints(ts); slices.Equal(got, args) != neg {
			return
		}
	}
	ts.Fatalf("ready are %q, want %q", got, args)
}

// readyEndpoints returns the ready endpoints of my-ns, as both the slices and
// the Endpoints objects have them.
func readyEndpoints(ts *testscript.TestScript) []string {
	layout, err := codec.NewLayout("")
	ts.Check(err)
	found := map[registry.Kind][]string{}
	for _, kind := range []registry.Kind{registry.KindEndpointSlice, registry.KindEndpoints} {
		response, err := etcdOf(ts).Get(context.Background(), layout.Dir(kind)+"my-ns/", clientv3.WithPrefix())
		ts.Check(err)
		for _, kv := range response.Kvs {
			ref, _ := layout.Ref(string(kv.Key))
			o, err := codec.Decode(ref, kv.Value)
			ts.Check(err)
			for _, s := range o.(*registry.Endpoints).Subsets {
				for _, e := range s.Endpoints {
					if e.Ready {
						found[kind] = append(found[kind], fmt.Sprintf("%s:%d", e.Addr, s.Ports[0].Port))
					}
				}
			}
		}
		slices.Sort(found[kind])
	}
	if both := found[registry.KindEndpoints]; !slices.Equal(both, found[registry.KindEndpointSlice]) {
		return []string{"slices", strings.Join(found[registry.KindEndpointSlice], ","), "Endpoints", strings.Join(both, ",")}
	}
	return found[registry.KindEndpoints]
}

// revokeCommand ends the leases of two seconds, which are the workloads', as etcd
// does when nobody keeps them: revoke.
func revokeCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: revoke")
	}
	response, err := etcdOf(ts).Leases(context.Background())
	ts.Check(err)
	for _, lease := range response.Leases {
		is, err := etcdOf(ts).TimeToLive(context.Background(), lease.ID)
		ts.Check(err)
		if is.GrantedTTL == 2 {
			_, err := etcdOf(ts).Revoke(context.Background(), lease.ID)
			ts.Check(err)
		}
	}
}

// awaitCommand waits until something is stored: await KEY.
func awaitCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await KEY")
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		response, err := etcdOf(ts).Get(context.Background(), args[0])
		ts.Check(err)
		if len(response.Kvs) > 0 {
			return
		}
	}
	ts.Fatalf("%s is not there", args[0])
}
