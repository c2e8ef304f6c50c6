package svcreg

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	clog "github.com/coredns/coredns/plugin/pkg/log"
	"github.com/coredns/coredns/plugin/test"
	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"github.com/svcreg/svcreg/registry/registrytest"
)

// wire is a CoreDNS server without a network: packets in, packets out. What
// panics in it is not caught.
type wire struct {
	t      testing.TB
	server *dnsserver.Server
}

// newWire returns a server of the specification's registry in all of a test's
// zones. Nobody is asked beside it.
func newWire(t testing.TB) *wire {
	h := newTestServer(theZones...)
	h.update(registrytest.Snapshot(t, specification), nil)
	h.next = nil
	var configs []*dnsserver.Config
	for _, zone := range theZones {
		configs = append(configs, &dnsserver.Config{Zone: zone, Debug: true, Plugin: []plugin.Plugin{
			func(plugin.Handler) plugin.Handler { return h },
		}})
	}
	s, err := dnsserver.NewServer("dns://:53", configs)
	if err != nil {
		t.Fatal(err)
	}
	clog.D.Clear() // to let a panic through is all that was wanted
	return &wire{t, s}
}

// client gets what is sent to it.
type client struct {
	test.ResponseWriter
	sent []*dns.Msg
}

func (c *client) WriteMsg(m *dns.Msg) error {
	c.sent = append(c.sent, m)
	return nil
}

// send does what the DNS library does with a packet, and returns the request
// and the answer; the answer is nil if there is none.
func (w *wire) send(packet []byte) (r, answer *dns.Msg) {
	if len(packet) < 12 {
		return nil, nil
	}
	word := func(i int) uint16 { return binary.BigEndian.Uint16(packet[2*i:]) }
	header := dns.Header{Id: word(0), Bits: word(1), Qdcount: word(2), Ancount: word(3), Nscount: word(4), Arcount: word(5)}
	refuse := func(rcode int) *dns.Msg {
		m := new(dns.Msg)
		m.Id, m.Response, m.Rcode = header.Id, true, rcode
		return m
	}
	switch dns.DefaultMsgAcceptFunc(header) {
	case dns.MsgIgnore:
		return nil, nil
	case dns.MsgReject:
		return nil, refuse(dns.RcodeFormatError)
	case dns.MsgRejectNotImplemented:
		return nil, refuse(dns.RcodeNotImplemented)
	}
	r = new(dns.Msg)
	if err := r.Unpack(packet); err != nil {
		return nil, refuse(dns.RcodeFormatError)
	}
	c := &client{}
	w.server.ServeDNS(w.t.Context(), c, r)
	if len(c.sent) != 1 {
		w.t.Fatalf("%d answers to\n%v", len(c.sent), r)
	}
	return r, w.received(r, c.sent[0])
}

// received returns an answer as the client has it from the network. It is
// valid, and no longer than it may be.
func (w *wire) received(r, answer *dns.Msg) *dns.Msg {
	packet, err := answer.Pack()
	if err != nil {
		w.t.Fatalf("the answer can't be packed: %v\n%v", err, answer)
	}
	most := dns.MinMsgSize
	if opt := r.IsEdns0(); opt != nil {
		most = max(most, int(opt.UDPSize()))
	}
	if len(packet) > most {
		w.t.Errorf("%d octets, want at most %d", len(packet), most)
	}
	m := new(dns.Msg)
	if err := m.Unpack(packet); err != nil {
		w.t.Fatalf("the answer can't be read: %v\n%v", err, answer)
	}
	if !m.Response || m.Id != r.Id || m.Opcode != r.Opcode || !slices.Equal(m.Question, r.Question) {
		w.t.Errorf("not an answer to\n%v\n%v", r, m)
	}
	return m
}

// FuzzPacket: whatever is sent, nothing panics, and what is answered is what a
// model says that has nothing in common with the plugin.
func FuzzPacket(f *testing.F) {
	for _, questions := range [][]question{point1, point2, point3, point4, point5, point6, point7, point8, point9, point10, point11, corners} {
		for _, q := range questions {
			f.Add(packed(f, ask1(q.name, q.qtype)))
		}
	}
	for _, h := range hostile {
		f.Add(h.packet(f))
	}
	w, oracle := newWire(f), newModel(f, specification)
	f.Fuzz(func(t *testing.T, packet []byte) {
		w.t, oracle.t = t, t
		r, answer := w.send(packet)
		switch {
		case r == nil || answer.Rcode == dns.RcodeBadVers:
		case len(r.Question) == 1 && r.Opcode == dns.OpcodeQuery && r.Question[0].Qclass == dns.ClassINET:
			oracle.check(answer)
		default:
			if len(answer.Answer) > 0 || answer.Rcode == dns.RcodeSuccess {
				t.Errorf("answered: %v", answer)
			}
		}
	})
}

// ask1 returns a question, as a stub resolver asks it. What a pointer to its ID
// finds there is no label.
func ask1(name string, qtype uint16) *dns.Msg {
	m := new(dns.Msg).SetQuestion(name, qtype)
	m.Id = 0x8080
	return m
}

func packed(t testing.TB, m *dns.Msg) []byte {
	t.Helper()
	packet, err := m.Pack()
	if err != nil {
		t.Fatalf("%v: %v", m, err)
	}
	return packet
}

// attack is a packet that nobody should send, and what becomes of it.
type attack struct {
	name   string
	packet func(testing.TB) []byte
	want   string // the rcode; nothing for no answer
}

// asked is a question that was changed.
func asked(name string, qtype uint16, change func(*dns.Msg)) func(testing.TB) []byte {
	return func(t testing.TB) []byte {
		m := ask1(name, qtype)
		if change != nil {
			change(m)
		}
		return packed(t, m)
	}
}

// octets is a question of which the packet was changed.
func octets(change func([]byte) []byte) func(testing.TB) []byte {
	return func(t testing.TB) []byte { return change(packed(t, ask1(portal, dns.TypeA))) }
}

func class(c uint16) func(*dns.Msg)  { return func(m *dns.Msg) { m.Question[0].Qclass = c } }
func opcode(code int) func(*dns.Msg) { return func(m *dns.Msg) { m.Opcode = code } }

// raw is a question about a name given as octets.
func raw(name string) func(testing.TB) []byte {
	return octets(func(b []byte) []byte {
		return append(append(bytes.Clone(b[:12]), name...), 0, 1, 0, 1)
	})
}

var (
	label63 = strings.Repeat("x", 63)
	// name255 has 255 octets on the wire, the most there can be.
	name255 = label63 + "." + label63 + "." + label63 + "." + strings.Repeat("x", 61-len(".cluster.local")) + ".cluster.local."
)

var hostile = []attack{
	{"the right one", asked(portal, dns.TypeA, nil), "NOERROR"},

	{"a label of 63 octets", asked(label63+svc, dns.TypeA, nil), "NXDOMAIN"},
	{"a label of 64 octets", raw("\x40" + strings.Repeat("x", 64) + "\x00"), "FORMERR"},
	{"a name of 255 octets", asked(name255, dns.TypeA, nil), "NXDOMAIN"},
	{"a name of 256 octets", raw("\x01x" + wireName(name255)), "FORMERR"},
	{"an SRV name of 255 octets", asked("_https._tcp."+name255[12:], dns.TypeSRV, nil), "NXDOMAIN"},
	{"a hundred labels", asked(strings.Repeat("a.", 100)+"cluster.local.", dns.TypeA, nil), "NXDOMAIN"},
	{"a hundred nibbles", asked(strings.Repeat("0.", 100)+"ip6.arpa.", dns.TypePTR, nil), "NXDOMAIN"},

	{"a wildcard for a service", asked("*"+svc, dns.TypeA, nil), "NXDOMAIN"},
	{"a wildcard for a namespace", asked("my-service.*.svc.cluster.local.", dns.TypeA, nil), "NXDOMAIN"},
	{"a wildcard for both", asked("*.*.svc.cluster.local.", dns.TypeA, nil), "NXDOMAIN"},
	{"a wildcard for an endpoint", asked("*."+headless, dns.TypeA, nil), "NXDOMAIN"},
	{"a wildcard for a port", asked("*._tcp."+portal, dns.TypeSRV, nil), "NXDOMAIN"},
	{"a wildcard for a protocol", asked("_https.*."+portal, dns.TypeSRV, nil), "NXDOMAIN"},
	{"a wildcard for the schema", asked("my-service.my-ns.*.cluster.local.", dns.TypeA, nil), "NXDOMAIN"},
	{"any, as kube-dns had it", asked("any.any.svc.cluster.local.", dns.TypeA, nil), "NXDOMAIN"},

	{"underscores before a service", asked("_my-service"+svc, dns.TypeA, nil), "NXDOMAIN"},
	{"underscores before a namespace", asked("my-service._my-ns.svc.cluster.local.", dns.TypeA, nil), "NXDOMAIN"},
	{"underscores before svc", asked("my-service.my-ns._svc.cluster.local.", dns.TypeA, nil), "NXDOMAIN"},
	{"two underscores", asked("__https._tcp."+portal, dns.TypeSRV, nil), "NXDOMAIN"},
	{"an underscore only", asked("_."+portal, dns.TypeSRV, nil), "NXDOMAIN"},
	{"port and protocol in one label", asked(`_https\._tcp.`+portal, dns.TypeSRV, nil), "NXDOMAIN"},
	{"a protocol after the service", asked("_https.my-service._tcp.my-ns.svc.cluster.local.", dns.TypeSRV, nil), "NXDOMAIN"},
	{"a dot inside a label", asked(`my-service\.my-ns.svc.cluster.local.`, dns.TypeA, nil), "NXDOMAIN"},
	{"the zone's dot inside a label", asked(`my-service.my-ns.svc\.cluster.local.`, dns.TypeA, nil), "REFUSED"},
	{"all dots inside one label", raw("\x22my-service.my-ns.svc.cluster.local\x00"), "REFUSED"},
	{"a label that ends with a dot", asked(`x\..my-ns.svc.cluster.local.`, dns.TypeA, nil), "NXDOMAIN"},
	{"a label that is a dot", asked(`\..svc.cluster.local.`, dns.TypeA, nil), "NXDOMAIN"},
	{"an endpoint that ends with a dot", asked(`my-host\..`+headless, dns.TypeA, nil), "NXDOMAIN"},
	{"a port that ends with a dot", asked(`_https\..`+portal, dns.TypeSRV, nil), "NXDOMAIN"},
	{"a backslash", asked(`my-service\\.my-ns.svc.cluster.local.`, dns.TypeA, nil), "NXDOMAIN"},
	{"a NUL", raw("\x0bmy-service\x00\x05my-ns\x03svc\x07cluster\x05local\x00"), "NXDOMAIN"},
	{"a space", raw("\x0bmy-service \x05my-ns\x03svc\x07cluster\x05local\x00"), "NXDOMAIN"},
	{"a letter that is no ASCII", raw("\x0bmy-servi\xc3\xa7e\x05my-ns\x03svc\x07cluster\x05local\x00"), "NXDOMAIN"},
	{"an octet with the high bit", raw("\x0amy-servic\xe5\x05my-ns\x03svc\x07cluster\x05local\x00"), "NXDOMAIN"},
	{"a needless escape", asked(`\109y-service.my-ns.svc.cluster.local.`, dns.TypeA, nil), "NOERROR"}, // the same octets

	{"the root", asked(".", dns.TypeA, nil), "REFUSED"},
	{"another zone", asked("www.example.org.", dns.TypeA, nil), "REFUSED"},
	{"a zone that only ends like one", asked("my-service.my-ns.svc.xcluster.local.", dns.TypeA, nil), "REFUSED"},
	{"an address in front", asked("192.0.2.1.cluster.local.", dns.TypeA, nil), "NXDOMAIN"},

	{"class CH", asked(portal, dns.TypeA, class(dns.ClassCHAOS)), "REFUSED"},
	{"class HS", asked(portal, dns.TypeA, class(dns.ClassHESIOD)), "REFUSED"},
	{"class NONE", asked(portal, dns.TypeA, class(dns.ClassNONE)), "REFUSED"},
	{"class ANY", asked(portal, dns.TypeA, class(dns.ClassANY)), "REFUSED"},
	{"class 0", asked(portal, dns.TypeA, class(0)), "REFUSED"},
	{"version.bind", asked("version.bind.", dns.TypeTXT, class(dns.ClassCHAOS)), "REFUSED"},

	{"type ANY", asked(portal, dns.TypeANY, nil), "NOERROR"},
	{"type AXFR over UDP", asked("cluster.local.", dns.TypeAXFR, nil), "REFUSED"},
	{"type AXFR of a service", asked(portal, dns.TypeAXFR, nil), "REFUSED"},
	{"type IXFR over UDP", asked("cluster.local.", dns.TypeIXFR, func(m *dns.Msg) {
		m.Ns = []dns.RR{test.SOA("cluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5")}
	}), "REFUSED"},
	{"type 0", asked(portal, 0, nil), "NOERROR"},
	{"type OPT", asked(portal, dns.TypeOPT, nil), "NOERROR"},
	{"type TSIG", asked(portal, dns.TypeTSIG, nil), "NOERROR"},
	{"type 65535", asked(portal, 65535, nil), "NOERROR"},

	{"a NOTIFY", asked("cluster.local.", dns.TypeSOA, opcode(dns.OpcodeNotify)), "NOTIMP"},
	{"a NOTIFY of a service", asked(portal, dns.TypeA, opcode(dns.OpcodeNotify)), "NOTIMP"},
	{"an UPDATE", asked("cluster.local.", dns.TypeSOA, opcode(dns.OpcodeUpdate)), "NOTIMP"},
	{"an inverse query", asked(portal, dns.TypeA, opcode(dns.OpcodeIQuery)), "NOTIMP"},
	{"a status query", asked(portal, dns.TypeA, opcode(dns.OpcodeStatus)), "NOTIMP"},
	{"opcode 15", asked(portal, dns.TypeA, opcode(15)), "NOTIMP"},

	{"an answer", asked(portal, dns.TypeA, func(m *dns.Msg) { m.Response = true }), ""},
	{"an answer with records", asked(portal, dns.TypeA, func(m *dns.Msg) {
		m.Response, m.Answer = true, []dns.RR{test.A(portal + " 5 IN A 192.0.2.66")}
	}), ""},
	{"a question with an answer", asked(portal, dns.TypeA, func(m *dns.Msg) {
		m.Answer = []dns.RR{test.A(portal + " 5 IN A 192.0.2.66")}
	}), "NOERROR"}, // the server lets one pass, as in a NOTIFY; it isn't repeated
	{"a question with two answers", asked(portal, dns.TypeA, func(m *dns.Msg) {
		m.Answer = []dns.RR{test.A(portal + " 5 IN A 192.0.2.66"), test.A(portal + " 5 IN A 192.0.2.67")}
	}), "FORMERR"},

	{"no question", asked(portal, dns.TypeA, func(m *dns.Msg) { m.Question = nil }), "FORMERR"},
	{"two questions", asked(portal, dns.TypeA, func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), "FORMERR"},
	{"two questions, one there", octets(func(b []byte) []byte { b[5] = 2; return b }), "FORMERR"},
	{"one question, none there", octets(func(b []byte) []byte { return b[:12] }), "SERVFAIL"}, // the server's word
	{"65535 questions", octets(func(b []byte) []byte { b[4], b[5] = 255, 255; return b }), "FORMERR"},
	{"65535 additional records", octets(func(b []byte) []byte { b[10], b[11] = 255, 255; return b }), "FORMERR"},
	{"EDNS version 1", asked(portal, dns.TypeA, func(m *dns.Msg) { m.SetEdns0(1232, false); m.IsEdns0().SetVersion(1) }), "BADVERS"},
	{"two OPT records", asked(portal, dns.TypeA, func(m *dns.Msg) { m.SetEdns0(1232, false); m.SetEdns0(512, false) }), "NOERROR"},
	{"EDNS of no size", asked(portal, dns.TypeA, func(m *dns.Msg) { m.SetEdns0(0, false) }), "NOERROR"},
	{"unknown EDNS options", asked(portal, dns.TypeA, func(m *dns.Msg) {
		m.SetEdns0(1232, true)
		m.IsEdns0().Option = append(m.IsEdns0().Option, &dns.EDNS0_LOCAL{Code: 65001, Data: []byte("data")})
	}), "NOERROR"},

	{"nothing", octets(func([]byte) []byte { return nil }), ""},
	{"half a header", octets(func(b []byte) []byte { return b[:6] }), ""},
	{"half a name", octets(func(b []byte) []byte { return b[:20] }), "FORMERR"},
	{"no type", octets(func(b []byte) []byte { return b[:len(b)-4] }), "REFUSED"}, // the library reads class 0
	{"no class", octets(func(b []byte) []byte { return b[:len(b)-2] }), "REFUSED"},
	{"more behind it", octets(func(b []byte) []byte { return append(b, "GET / HTTP/1.1"...) }), "NOERROR"},
	{"a pointer to itself", raw("\xc0\x0c"), "FORMERR"},
	{"a pointer to what follows", raw("\xc0\x20"), "FORMERR"},
	{"a pointer into the header", raw("\xc0\x00"), "FORMERR"},
	{"pointers in a circle", raw("\x01a\xc0\x0c"), "FORMERR"},
	{"a label type of RFC 2673", raw("\x41\x00\x00"), "FORMERR"},
	{"the reserved label type", raw("\x80\x00"), "FORMERR"},
}

// wireName is a name as it stands in a packet.
func wireName(name string) string {
	b := make([]byte, 256)
	n, err := dns.PackDomainName(name, b, 0, nil, false)
	if err != nil {
		panic(err)
	}
	return string(b[:n])
}

func TestHostilePackets(t *testing.T) {
	w, oracle := newWire(t), newModel(t, specification)
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			w.t, oracle.t = t, t
			r, answer := w.send(h.packet(t))
			got := ""
			if answer != nil {
				got = dns.RcodeToString[answer.Rcode]
			}
			if answer != nil && answer.Rcode == dns.RcodeBadVers {
				got = "BADVERS" // which is BADSIG in another place
			}
			if got != h.want {
				t.Errorf("got %q, want %q: %v", got, h.want, answer)
			}
			if r != nil && len(r.Question) == 1 && r.Opcode == dns.OpcodeQuery && r.Question[0].Qclass == dns.ClassINET && h.want != "BADVERS" {
				oracle.check(answer)
			}
		})
	}
}

// The model knows what the specification's tests know: each of their questions
// has the answer that it would have given.
func TestModel(t *testing.T) {
	h := newTestServer(theZones...)
	h.update(registrytest.Snapshot(t, specification), nil)
	oracle := newModel(t, specification)
	for _, questions := range [][]question{point1, point2, point3, point4, point5, point6, point7, point8, point9, point10, point11, corners} {
		for _, q := range questions {
			oracle.check(ask(t, h, q.name, q.qtype))
		}
	}
	if diff := cmp.Diff([]string{"10.0.0.11"}, oracle.data[portal][dns.TypeA]); diff != "" {
		t.Errorf("the model (-want +got):\n%s", diff)
	}
}
