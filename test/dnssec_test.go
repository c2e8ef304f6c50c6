package test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// signs starts a CoreDNS whose dnssec plugin signs what svcreg answers, and
// tests that the signatures are good. (dnssec brings along a cloud provider's
// SDK, so svcreg's own CoreDNS doesn't have it.)
func signs(t *testing.T, binary string) {
	t.Helper()
	etcd := registrytest.StartEtcd(t)
	for key, value := range map[string]string{
		"specs/my-ns/my-service":     `{"kind": "Service", "apiVersion": "v1", "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]}}`,
		"endpoints/my-ns/my-service": `{"kind": "Endpoints", "apiVersion": "v1", "subsets": [{"addresses": [{"ip": "192.0.2.1"}, {"ip": "192.0.2.2"}], "ports": [{"name": "http", "port": 8080}]}]}`,
	} {
		if _, err := etcd.Client().Put(t.Context(), "/registry/services/"+key, value); err != nil {
			t.Fatal(err)
		}
	}
	key, files := newKey(t, "cluster.local.")
	_, port, _ := net.SplitHostPort(registrytest.FreeAddress(t))
	corefile := filepath.Join(t.TempDir(), "Corefile")
	text := fmt.Sprintf("cluster.local {\n    errors\n    dnssec {\n        key file %s\n    }\n    svcreg {\n        endpoint %s\n    }\n}\n", files, etcd.Endpoint())
	if err := os.WriteFile(corefile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, nil, binary, "-conf", corefile, "-dns.port", port)
	server := net.JoinHostPort("127.0.0.1", port)
	const name = "my-service.my-ns.svc.cluster.local."
	for _, q := range []struct {
		name  string
		qtype uint16
		want  int // records of that type
	}{
		{name, dns.TypeA, 2},
		{"_http._tcp." + name, dns.TypeSRV, 2},
		{"cluster.local.", dns.TypeSOA, 1},
		{name, dns.TypeAAAA, 0},
		{"nothing.my-ns.svc.cluster.local.", dns.TypeA, 0},
	} {
		eventually(t, patience, q.name+" is signed", func() error { return wantSigned(server, key, q.name, q.qtype, q.want) })
	}
}

// newKey makes a key that signs a zone, and the files that the plugin reads.
func newKey(t *testing.T, zone string) (key *dns.DNSKEY, files string) {
	t.Helper()
	key = &dns.DNSKEY{
		Hdr:   dns.RR_Header{Name: zone, Rrtype: dns.TypeDNSKEY, Class: dns.ClassINET, Ttl: 3600},
		Flags: 257, Protocol: 3, Algorithm: dns.ECDSAP256SHA256,
	}
	private, err := key.Generate(256)
	if err != nil {
		t.Fatal(err)
	}
	files = filepath.Join(t.TempDir(), "Kcluster.local")
	for end, text := range map[string]string{".key": key.String() + "\n", ".private": key.PrivateKeyString(private)} {
		if err := os.WriteFile(files+end, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return key, files
}

// wantSigned returns an error unless the records of an answer are as many as
// there should be, and each set of them has a good signature; an answer
// without records proves that there are none.
func wantSigned(server string, key *dns.DNSKEY, name string, qtype uint16, want int) error {
	r := new(dns.Msg).SetQuestion(name, qtype)
	r.SetEdns0(4096, true)
	c := dns.Client{Timeout: time.Second, UDPSize: 4096}
	m, _, err := c.Exchange(r, server)
	if err != nil {
		return err
	}
	section := m.Answer
	if want == 0 {
		section, qtype = m.Ns, dns.TypeNSEC
		want = 1
	}
	var set []dns.RR
	var signature *dns.RRSIG
	for _, rr := range section {
		if s, ok := rr.(*dns.RRSIG); ok && s.TypeCovered == qtype {
			signature = s
		} else if rr.Header().Rrtype == qtype {
			set = append(set, rr)
		}
	}
	if len(set) != want || signature == nil {
		return fmt.Errorf("want %d records and their signature: %v", want, m)
	}
	if !signature.ValidityPeriod(time.Now()) {
		return fmt.Errorf("the signature is not valid now: %v", signature)
	}
	return signature.Verify(key, set)
}
