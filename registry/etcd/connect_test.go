package etcd

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/registrytest"
)

func TestConnectWithEtcdAway(t *testing.T) {
	e := registrytest.StartEtcd(t)
	e.Stop()
	start := time.Now()
	client := connect(t, Config{Endpoints: []string{e.Endpoint()}, Username: "u", Password: "p"})
	if d := time.Since(start); d > time.Second {
		t.Errorf("Connect took %v", d)
	}
	e.Restart()
	get(t, client)
}

func TestConnectRefusesBadConfig(t *testing.T) {
	_, err := Connect(Config{Endpoints: []string{"ftp://a:1"}})
	if err == nil || !strings.HasPrefix(err.Error(), "etcd: endpoints[0]: ") {
		t.Errorf("got %v, want an error about endpoints[0]", err)
	}
}

func TestConnectBareAddress(t *testing.T) {
	e := registrytest.StartEtcd(t)
	get(t, connect(t, Config{Endpoints: []string{strings.TrimPrefix(e.Endpoint(), "http://")}}))
}

// A member that isn't there must not fail the calls: they go to the next one.
func TestConnectSkipsDeadMember(t *testing.T) {
	e, dead := registrytest.StartEtcd(t), registrytest.StartEtcd(t)
	dead.Stop()
	client := connect(t, Config{Endpoints: []string{dead.Endpoint(), e.Endpoint()}})
	for range 4 {
		get(t, client)
	}
}

func TestConnectTLS(t *testing.T) {
	server, client, stranger := registrytest.KeyPair(t), registrytest.KeyPair(t), registrytest.KeyPair(t)
	endpoints := []string{registrytest.StartEtcd(t, registrytest.WithTLS(server, client)).Endpoint()}
	tests := []struct {
		name   string
		config Config
		ok     bool
	}{
		{"right", Config{CACert: server.CertFile, Cert: client.CertFile, Key: client.KeyFile}, true},
		{"unknown authority", Config{CACert: stranger.CertFile, Cert: client.CertFile, Key: client.KeyFile}, false},
		{"system authorities", Config{Cert: client.CertFile, Key: client.KeyFile}, false},
		{"no client certificate", Config{CACert: server.CertFile}, false},
		{"unknown client certificate", Config{CACert: server.CertFile, Cert: stranger.CertFile, Key: stranger.KeyFile}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.config.Endpoints = endpoints
			c := connect(t, test.config)
			if test.ok {
				get(t, c)
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			if _, err := c.Get(ctx, "/a"); err == nil {
				t.Error("the call succeeded")
			}
		})
	}
}

func TestConnectPassword(t *testing.T) {
	e := registrytest.StartEtcd(t)
	enableAuth(t, e.Client())
	right := Config{Endpoints: []string{e.Endpoint()}, Username: "root", Password: "secret"}

	client := connect(t, right)
	get(t, client)
	client = connect(t, right)
	watch := client.Watch(t.Context(), "/a", clientv3.WithCreatedNotify())
	if r := <-watch; !r.Created || r.Err() != nil {
		t.Errorf("watch: %+v: %v", r, r.Err())
	}
	wrong := right
	wrong.Password = "guess"
	_, err := connect(t, wrong).Get(t.Context(), "/a")
	if !errors.Is(err, rpctypes.ErrAuthFailed) {
		t.Errorf("wrong password: got %v, want %v", err, rpctypes.ErrAuthFailed)
	}
}

func enableAuth(t *testing.T, admin *clientv3.Client) {
	t.Helper()
	_, err := admin.UserAdd(t.Context(), "root", "secret")
	if err == nil {
		_, err = admin.UserGrantRole(t.Context(), "root", "root")
	}
	if err == nil {
		_, err = admin.AuthEnable(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func connect(t *testing.T, c Config) *clientv3.Client {
	t.Helper()
	client, err := Connect(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func get(t *testing.T, client *clientv3.Client) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := client.Get(ctx, "/a"); err != nil {
		t.Fatal(err)
	}
}
