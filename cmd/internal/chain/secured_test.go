package chain

import (
	"context"
	"strings"
	"testing"

	"github.com/miekg/dns"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/etcd"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// An etcd that wants a certificate and a password gets both, and its user needs
// no more than to read below the prefix. Who can't show them says SERVFAIL, as
// one does who knows nothing yet.
func TestSecuredEtcd(t *testing.T) {
	ours, its := registrytest.KeyPair(t), registrytest.KeyPair(t)
	endpoint := registrytest.StartEtcd(t, registrytest.WithTLS(its, ours)).Endpoint()
	admin := administer(t, etcd.Config{Endpoints: []string{endpoint}, Cert: ours.CertFile, Key: ours.KeyFile, CACert: its.CertFile})
	put := func(portalIP string) {
		t.Helper()
		if _, err := admin.Put(t.Context(), "/registry/services/specs/my-ns/my-service", service("my-service", portalIP)); err != nil {
			t.Fatal(err)
		}
	}
	put("10.0.0.11")
	certificates := strings.Join([]string{"tls", ours.CertFile, ours.KeyFile, its.CertFile}, " ")
	for name, properties := range map[string]string{
		"no certificate": "credentials dns secret\ntls " + its.CertFile,
		"no password":    certificates,
		"wrong password": certificates + "\ncredentials dns guess",
		"another prefix": certificates + "\ncredentials dns secret\npath /others",
	} {
		t.Run(name, func(t *testing.T) {
			start(t, corefile(endpoint, "startup_timeout 300ms\n"+properties)).want(mySvc, dns.TypeA, "SERVFAIL")
		})
	}
	s := start(t, corefile(endpoint, certificates+"\ncredentials dns secret"))
	s.want(mySvc, dns.TypeA, "10.0.0.11")
	eventually(t, "following", func() bool { n, _ := number(t, "synced"); return n == 1 })
	put("10.0.0.12")
	s.want(mySvc, dns.TypeA, "10.0.0.12")
}

// administer has an etcd ask for passwords, with a user "dns" who can read the
// registry and nothing else, and returns a client who can do everything.
func administer(t *testing.T, c etcd.Config) *clientv3.Client {
	t.Helper()
	connect := func() *clientv3.Client {
		client, err := etcd.Connect(c)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		return client
	}
	client := connect()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(client.UserAdd(ctx, "root", "root's"))
	must(client.UserGrantRole(ctx, "root", "root"))
	must(client.RoleAdd(ctx, "reader"))
	must(client.RoleGrantPermission(ctx, "reader", "/registry/", clientv3.GetPrefixRangeEnd("/registry/"), clientv3.PermissionType(clientv3.PermRead)))
	must(client.UserAdd(ctx, "dns", "secret"))
	must(client.UserGrantRole(ctx, "dns", "reader"))
	must(client.AuthEnable(ctx))
	c.Username, c.Password = "root", "root's"
	return connect()
}
