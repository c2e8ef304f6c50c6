package main

import (
	"bytes"
	"strings"
	"testing"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// TestCredentials is about an etcd that wants a password.
func TestCredentials(t *testing.T) {
	etcd := registrytest.StartEtcd(t)
	enableAuth(t, etcd.Client())
	tests := []struct {
		name string
		args []string
		env  map[string]string
		code int
		want string // on stderr
	}{
		{name: "flag", args: []string{"--user", "root:secret"}},
		{name: "two flags", args: []string{"--user", "root", "--password", "secret"}},
		{name: "variables", env: map[string]string{"ETCDCTL_USER": "root", "ETCDCTL_PASSWORD": "secret"}},
		{name: "wrong password", args: []string{"--user", "root:guess"}, code: exitFailed, want: "authentication failed"},
		{name: "none", code: exitFailed, want: "user name is empty"},
		{name: "no rights", args: []string{"--user", "guest:secret"}, code: exitFailed, want: "list /registry/services/specs/: etcdserver: permission denied"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var stderr bytes.Buffer
			args := append([]string{"get", "services", "-A", "--endpoints", etcd.Endpoint()}, tt.args...)
			code := run(t.Context(), args, nil, &bytes.Buffer{}, &stderr, func(name string) string { return tt.env[name] })
			if code != tt.code || !strings.Contains(stderr.String(), tt.want) {
				t.Errorf("exit code %d, %s; want %d, %s", code, &stderr, tt.code, tt.want)
			}
			if strings.Contains(stderr.String(), "secret") || strings.Contains(stderr.String(), "guess") {
				t.Errorf("stderr shows a password: %s", &stderr)
			}
		})
	}
}

// enableAuth makes root and guest, the latter with no rights.
func enableAuth(t *testing.T, admin *clientv3.Client) {
	t.Helper()
	ctx := t.Context()
	_, err := admin.UserAdd(ctx, "root", "secret")
	if err == nil {
		_, err = admin.UserAdd(ctx, "guest", "secret")
	}
	if err == nil {
		_, err = admin.UserGrantRole(ctx, "root", "root")
	}
	if err == nil {
		_, err = admin.AuthEnable(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
}
