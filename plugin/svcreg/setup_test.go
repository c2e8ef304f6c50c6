package svcreg

import (
	"bytes"
	golog "log"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"

	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/registrytest"
)

func TestServerAddrs(t *testing.T) {
	for _, tt := range []struct {
		name, hosts, want string
	}{
		{"bound", "192.0.2.1 2001:db8::1", "192.0.2.1 2001:db8::1"},
		{"bound, loopback too", "127.0.0.1 192.0.2.1", "192.0.2.1"},
		{"loopback only", "127.0.0.1 ::1", "127.0.0.1 ::1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, addr := range serverAddrs(strings.Fields(tt.hosts)) {
				got = append(got, addr.String())
			}
			if !slices.Equal(got, strings.Fields(tt.want)) {
				t.Errorf("got %v, want %s", got, tt.want)
			}
		})
	}
	everywhere := serverAddrs([]string{""})
	if len(everywhere) == 0 || slices.ContainsFunc(everywhere, netip.Addr.IsUnspecified) {
		t.Errorf("a server that is bound to nothing is at %v", everywhere)
	}
}

// After a reload without etcd the answers are those of the instance before.
// The first snapshot of its own replaces them all: what that differs from is
// an empty one.
func TestFirstSnapshotReplacesInherited(t *testing.T) {
	h := newTestServer(theZones...)
	f := &follower{stanza: h.stanza}
	h.update(registrytest.Snapshot(t, manifests), nil)
	k := registry.Key{Namespace: "ns", Name: "only"}
	only := registry.Build(1, portalService(k, netip.MustParseAddr("10.0.0.1")))
	f.notify(only, &registry.Changes{Services: []registry.Key{k}})
	f.notify(only, &registry.Changes{})
	run(t, h, []question{
		{"only.ns.svc.cluster.local.", dns.TypeA, lines("only.ns.svc.cluster.local. 5 IN A 10.0.0.1")},
		{"my-service.my-ns.svc.cluster.local.", dns.TypeA, "NXDOMAIN aa\nns: " + strings.Replace(clusterSOA, " 29 ", " 1 ", 1)},
	})
}

// The registry's packages speak through CoreDNS's log.
func TestLogger(t *testing.T) {
	var out bytes.Buffer
	clog.SetOutput(&out)
	golog.SetFlags(0)
	defer clog.Discard()
	logger := slog.New(&logHandler{}).With("file", "f")
	logger.Info("hello", "revision", 7)
	logger.Warn("careful")
	logger.Error("broken", "error", "x y")
	logger.Debug("unseen")
	const want = "[INFO] plugin/svcreg: hello file=f revision=7\n" +
		"[WARNING] plugin/svcreg: careful file=f\n" +
		"[ERROR] plugin/svcreg: broken file=f error=x y\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}
