package svcreg

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/coredns/coredns/plugin/autopath"
	"github.com/coredns/coredns/plugin/test"
	"github.com/coredns/coredns/request"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

var _ autopath.AutoPather = (*handler)(nil)

// The path is that of the client's namespace, in the zone that it asks in.
func TestAutoPath(t *testing.T) {
	h := bareServer(t, "cluster.local.", ".", "in-addr.arpa.")
	h.search = []string{"example.org.", "svc.cluster.local."}
	second := bareServer(t, "cluster.local.", "sub.cluster.local.")
	second.clients = clientsOf(t, "203.0.113.0/24 default")
	h.stanzas = append(h.stanzas, second.stanza)
	for _, tt := range []struct {
		client, name string
		want         []string
	}{
		{"192.0.2.7", "my-service.my-ns.svc.cluster.local.", []string{"my-ns.svc.cluster.local.", "svc.cluster.local.", "cluster.local.", "example.org.", ""}},
		{"192.0.2.7", "My-Service.My-NS.SVC.Cluster.Local.", []string{"my-ns.svc.cluster.local.", "svc.cluster.local.", "cluster.local.", "example.org.", ""}},
		{"192.0.2.129", "a.cluster.local.", []string{"default.svc.cluster.local.", "svc.cluster.local.", "cluster.local.", "example.org.", ""}},
		{"192.0.2.7", "my-service.my-ns.svc.", []string{"my-ns.svc.", "svc.", "example.org.", "svc.cluster.local.", ""}},
		{"203.0.113.1", "a.cluster.local.", []string{"default.svc.cluster.local.", "svc.cluster.local.", "cluster.local.", "example.org.", ""}},
		{"203.0.113.1", "a.sub.cluster.local.", []string{"default.svc.sub.cluster.local.", "svc.sub.cluster.local.", "sub.cluster.local.", "example.org.", "svc.cluster.local.", ""}},
		{"203.0.113.1", "a.example.org.", nil},
		{"192.0.2.7", "7.2.0.192.in-addr.arpa.", nil},
		{"198.51.100.7", "a.cluster.local.", nil},
	} {
		state := request.Request{W: &test.ResponseWriter{RemoteIP: tt.client}, Req: new(dns.Msg).SetQuestion(tt.name, dns.TypeA)}
		if diff := cmp.Diff(tt.want, h.AutoPath(state)); diff != "" {
			t.Errorf("%s from %s (-want +got):\n%s", tt.name, tt.client, diff)
		}
	}
}

// Nobody has a path before the registry is known, nor where no client is.
func TestAutoPathOfNobody(t *testing.T) {
	empty := newTestServerOf(&options{zones: theZones, clients: clientsOf(t, "192.0.2.0/24 my-ns")})
	for _, h := range []*testServer{empty, loaded(t, theZones...)} {
		state := request.Request{W: &test.ResponseWriter{RemoteIP: "192.0.2.7"}, Req: new(dns.Msg).SetQuestion("a.cluster.local.", dns.TypeA)}
		if path := h.AutoPath(state); path != nil {
			t.Errorf("got %q", path)
		}
	}
}

func TestHostSearch(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(file, []byte("nameserver 192.0.2.53\nsearch Example.org sub.example.org. .\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"example.org.", "sub.example.org."}, hostSearch(file)); diff != "" {
		t.Errorf("search (-want +got):\n%s", diff)
	}
	if got := hostSearch(filepath.Join(t.TempDir(), "none")); got != nil {
		t.Errorf("without a file: %q", got)
	}
}
