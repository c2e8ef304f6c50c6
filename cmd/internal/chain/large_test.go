package chain

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// many is how many endpoints a service has that no packet holds.
const many = 1000

// startLarge starts a server of a headless service with many endpoints, in
// IPv4 and IPv6, and a named port.
func startLarge(t *testing.T) *server {
	t.Helper()
	etcd := startRegistry(t)
	put := func(key, value string) {
		if _, err := etcd.Client().Put(t.Context(), "/registry/"+key, value); err != nil {
			t.Fatal(err)
		}
	}
	put("services/specs/my-ns/my-service", `{"kind": "Service", "apiVersion": "v1", "spec": {"clusterIP": "None"}}`)
	slice := func(family string, addr func(i int) string) {
		list := ""
		for i := range many {
			list += fmt.Sprintf(`, {"addresses": [%q], "hostname": "host-%d"}`, addr(i), i)
		}
		put("endpointslices/my-ns/my-service-"+family, fmt.Sprintf(`{"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
			"metadata": {"labels": {"kubernetes.io/service-name": "my-service"}}, "addressType": %q,
			"ports": [{"name": "http", "port": 80}], "endpoints": [%s]}`, family, list[2:]))
	}
	slice("IPv4", func(i int) string { return fmt.Sprintf("100.64.%d.%d", i/250, i%250+1) })
	slice("IPv6", func(i int) string { return fmt.Sprintf("2001:db8::%x", i+1) })
	return start(t, corefile(etcd.Endpoint(), ""))
}

// exchangeRaw asks one question and returns the octets of the answer. Over
// TCP it takes whatever length comes.
func (s *server) exchangeRaw(network string, r *dns.Msg) []byte {
	s.t.Helper()
	query, err := r.Pack()
	if err != nil {
		s.t.Fatal(err)
	}
	return s.send(network, query)
}

// send sends octets and returns those of the answer; none if there is none.
func (s *server) send(network string, query []byte) []byte {
	s.t.Helper()
	conn, err := net.Dial(network, s.addr(network).String())
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(patience))
	answer := make([]byte, dns.MaxMsgSize)
	if network == "udp" {
		if _, err := conn.Write(query); err != nil {
			s.t.Fatal(err)
		}
		n, _ := conn.Read(answer)
		return answer[:n]
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(query))), query...)); err != nil {
		s.t.Fatal(err)
	}
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil
	}
	n, _ := io.ReadFull(conn, answer[:binary.BigEndian.Uint16(length[:])])
	return answer[:n]
}

// Over UDP as many records come as the client has room for, and what is
// missing is said to be; over TCP all come, as far as a message can hold them.
func TestThousandEndpoints(t *testing.T) {
	s := startLarge(t)
	const srv = "_http._tcp." + mySvc
	for _, tt := range []struct {
		network string
		name    string
		qtype   uint16
		edns    uint16
		size    int // that the answer may have
		most    int // that a record takes
		whole   bool
	}{
		{"udp", mySvc, dns.TypeA, 0, 512, 16, false},
		{"udp", mySvc, dns.TypeA, 100, 512, 16, false}, // RFC 6891: at least 512
		{"udp", mySvc, dns.TypeA, 512, 512, 16, false},
		{"udp", mySvc, dns.TypeA, 1232, 1232, 16, false},
		{"udp", mySvc, dns.TypeA, 4096, 4096, 16, false},
		{"udp", mySvc, dns.TypeAAAA, 0, 512, 28, false},
		{"udp", mySvc, dns.TypeAAAA, 1232, 1232, 28, false},
		{"udp", srv, dns.TypeSRV, 0, 512, 70, false},
		{"udp", srv, dns.TypeSRV, 1232, 1232, 70, false},
		{"udp", srv, dns.TypeSRV, 4096, 4096, 70, false},
		{"tcp", mySvc, dns.TypeA, 0, 1<<16 - 1, 0, true},
		{"tcp", mySvc, dns.TypeA, 4096, 1<<16 - 1, 0, true},
		{"tcp", mySvc, dns.TypeAAAA, 0, 1<<16 - 1, 0, true},
		{"tcp", srv, dns.TypeSRV, 0, 1<<16 - 1, 70, false}, // with all that belongs to it, it has more than 64 KB
		{"tcp", srv, dns.TypeSRV, 1232, 1<<16 - 1, 70, false},
	} {
		t.Run(fmt.Sprintf("%s %s %d", tt.network, dns.TypeToString[tt.qtype], tt.edns), func(t *testing.T) {
			r := new(dns.Msg).SetQuestion(tt.name, tt.qtype)
			if tt.edns > 0 {
				r.SetEdns0(tt.edns, false)
			}
			raw := s.exchangeRaw(tt.network, r)
			m := new(dns.Msg)
			if err := m.Unpack(raw); err != nil {
				t.Fatalf("%d octets: %v", len(raw), err)
			}
			if m.Rcode != dns.RcodeSuccess || m.Id != r.Id || len(m.Question) != 1 || m.Question[0] != r.Question[0] {
				t.Errorf("not the answer: %v", m.MsgHdr)
			}
			if len(raw) > tt.size || !tt.whole && len(raw) < tt.size-tt.most-11 { // 11 for OPT
				t.Errorf("%d octets, want all of %d", len(raw), tt.size)
			}
			if m.Truncated == tt.whole || tt.whole && len(m.Answer) != many {
				t.Errorf("%d records, truncated: %v", len(m.Answer), m.Truncated)
			}
			if opt := m.IsEdns0(); (opt != nil) != (tt.edns > 0) {
				t.Errorf("OPT: %v", opt)
			}
			wantRecords(t, m, tt.name, tt.qtype)
		})
	}
}

// wantRecords checks that the answer's records are of the question, and each
// there once.
func wantRecords(t *testing.T, m *dns.Msg, name string, qtype uint16) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range m.Answer {
		if r.Header().Name != name || r.Header().Rrtype != qtype || seen[r.String()] {
			t.Fatalf("%v: want a record of %s, once", r, name)
		}
		seen[r.String()] = true
	}
	if len(m.Answer) == 0 {
		t.Error("no record at all")
	}
}

// A client that is told that something is missing asks again over TCP.
func TestFallBackToTCP(t *testing.T) {
	s := startLarge(t)
	m, err := s.exchange("udp", mySvc, dns.TypeA, 1232)
	if err != nil || !m.Truncated {
		t.Fatalf("truncated: %v, error %v", m.Truncated, err)
	}
	if m, err = s.exchange("tcp", mySvc, dns.TypeA, 1232); err != nil || len(m.Answer) != many {
		t.Errorf("%d records, error %v", len(m.Answer), err)
	}
	// An endpoint's own name is small, however many there are.
	m, err = s.exchange("udp", "host-999."+mySvc, dns.TypeAAAA, 0)
	if err != nil || m.Truncated || said(m) != "2001:db8::3e8" {
		t.Errorf("host-999: %v, error %v", m, err)
	}
}

// The case in which a name is asked for is that of the answer, whatever stands
// between: also where the name doesn't exist. The cache repeats the question as
// it was asked, and its records as somebody asked first.
func TestMixedCase(t *testing.T) {
	etcd := startRegistry(t)
	etcd.put("specs/my-ns/my-service", service("my-service", "10.0.0.11"))
	etcd.put("specs/my-ns/docs", `{"kind": "Service", "apiVersion": "v1", "spec": {"type": "ExternalName", "externalName": "my-service.my-ns.svc.cluster.local"}}`)
	for _, beside := range []string{"", "cache 30", "loadbalance\nminimal", "rewrite ttl suffix cluster.local 99"} {
		t.Run(beside, func(t *testing.T) {
			s := start(t, corefile(etcd.Endpoint(), "", beside))
			s.want(mySvc, dns.TypeA, "10.0.0.11") // asked for in lower case before
			for _, q := range []struct {
				name    string
				qtype   uint16
				answers bool
			}{
				{"mY-sERVICE.mY-nS.sVC.cLUSTER.lOCAL.", dns.TypeA, true},
				{"MY-SERVICE.MY-NS.CLUSTER.LOCAL.", dns.TypeA, true},
				{"mY-sERVICE.mY-nS.sVC.cLUSTER.lOCAL.", dns.TypeAAAA, false},
				{"nOTHING.my-ns.svc.cluster.local.", dns.TypeA, false},
				{"DoCs.my-ns.svc.cluster.local.", dns.TypeA, true},
				{"11.0.0.10.iN-aDDR.aRPA.", dns.TypePTR, true},
			} {
				m, err := s.exchange("udp", q.name, q.qtype, 1232)
				if err != nil {
					t.Fatal(err)
				}
				if m.Question[0].Name != q.name {
					t.Errorf("%s: the question came back as %s", q.name, m.Question[0].Name)
				}
				want := q.name
				if beside == "cache 30" && len(m.Answer) > 0 && strings.EqualFold(m.Answer[0].Header().Name, want) {
					want = m.Answer[0].Header().Name
				}
				if q.answers != (len(m.Answer) > 0) || q.answers && m.Answer[0].Header().Name != want {
					t.Errorf("%s: answer %v", q.name, m.Answer)
				}
			}
		})
	}
}
