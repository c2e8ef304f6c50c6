package chain

import (
	"testing"

	"github.com/miekg/dns"
)

// Endpoints that are host names have the addresses that this server, or whom
// it asks, has for them.
func TestEndpointsThatAreHostNames(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "None"))
	etcd.put("endpoints/my-ns/my-service", endpoints("my-service", "db.example.org:80"))
	s := start(t, corefile(etcd.Endpoint(), "", "hosts {\n203.0.113.8 db.example.org\n203.0.113.9 www.example.org\nttl 2\nfallthrough\n}"))
	s.want(mySvc, dns.TypeA, "db.example.org. 203.0.113.8")
	etcd.put("endpoints/my-ns/my-service", endpoints("my-service", "www.example.org:80", "192.0.2.1:80", "db.example.org:80"))
	s.want(mySvc, dns.TypeA, "192.0.2.1 203.0.113.8 203.0.113.9")
	s.want("www-example-org."+mySvc, dns.TypeA, "www.example.org. 203.0.113.9")
	m, err := s.exchange("udp", mySvc, dns.TypeA, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range m.Answer {
		if r.Header().Ttl != 2 || r.Header().Name != mySvc {
			t.Errorf("%v: want a TTL of 2", r)
		}
	}
}
