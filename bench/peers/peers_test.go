package peers

import (
	"maps"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/bench/fleet"
)

var small = fleet.Fleet{Services: 10, Endpoints: 1}

func TestCorefile(t *testing.T) {
	listen, metrics := netip.MustParseAddrPort("127.0.0.1:5300"), netip.MustParseAddrPort("127.0.0.1:9153")
	s := Sources{EtcdURL: "http://etcd", APIServerURL: "http://api", HostsFile: "/hosts", ZoneFile: "/zone", SnapshotFile: "/snapshot"}
	for peer, want := range map[Peer]string{
		WhoamiPrometheus:     "whoami prometheus 127.0.0.1:9153",
		Hosts:                "hosts /hosts",
		File:                 "file /zone cluster.local",
		EtcdCache:            "etcd cluster.local { path /skydns endpoint http://etcd } cache",
		KubernetesPrometheus: "kubernetes cluster.local in-addr.arpa ip6.arpa { endpoint http://api } prometheus 127.0.0.1:9153",
		Svcreg:               "svcreg cluster.local in-addr.arpa ip6.arpa { endpoint http://etcd }",
		SvcregSnapshot:       "svcreg cluster.local in-addr.arpa ip6.arpa { endpoint http://etcd snapshot /snapshot }",
		SvcregEmpty:          "svcreg cluster.local in-addr.arpa ip6.arpa { endpoint http://etcd path /empty }",
	} {
		got := strings.Join(strings.Fields(peer.Corefile(s, listen, metrics)), " ")
		if diff := cmp.Diff(".:5300 { bind 127.0.0.1 "+want+" }", got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", peer, diff)
		}
	}
}

func TestCorefileWithPods(t *testing.T) {
	for _, peer := range []Peer{Kubernetes, Svcreg, SvcregSnapshot} {
		text := peer.Corefile(Sources{Pods: true}, netip.AddrPort{}, netip.AddrPort{})
		if strings.Count(text, "pods verified\n") != 1 {
			t.Errorf("%s:\n%s", peer, text)
		}
	}
}

func TestAnswers(t *testing.T) {
	for peer, want := range map[Peer]bool{
		Whoami: false, WhoamiPrometheus: false, SvcregEmpty: false, EtcdCache: true, Kubernetes: true, SvcregPrometheus: true,
	} {
		if got := peer.Answers(); got != want {
			t.Errorf("%s: %v", peer, got)
		}
	}
}

func TestHostsLines(t *testing.T) {
	lines := strings.Split(HostsLines(small), "\n")
	if len(lines) != 11 || lines[0] != "10.96.0.1 svc-00000.team-000.svc.cluster.local." {
		t.Errorf("got %q", lines)
	}
}

func TestZoneLines(t *testing.T) {
	found := map[uint16]int{}
	parser := dns.NewZoneParser(strings.NewReader(ZoneLines(small)), ".", "")
	for r, ok := parser.Next(); ok; r, ok = parser.Next() {
		found[r.Header().Rrtype]++
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	want := map[uint16]int{dns.TypeSOA: 1, dns.TypeNS: 1, dns.TypeA: 10, dns.TypeAAAA: 1}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("records by type (-want +got):\n%s", diff)
	}
}

func TestSkyDNS(t *testing.T) {
	records := maps.Collect(SkyDNS(small))
	if len(records) != 9 || records["/skydns/local/cluster/svc/team-000/svc-00008"] != `{"host":"10.96.0.9","ttl":5}` {
		t.Errorf("got %q", records)
	}
}
