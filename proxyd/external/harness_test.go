package external

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/etcd"
	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/registry/write"
)

const patience = 30 * time.Second

// quiet is a log that nobody reads.
var quiet = slog.New(slog.DiscardHandler)

// fleet is a registry in a real etcd, a name server, and a controller.
type fleet struct {
	t      *testing.T
	client *clientv3.Client
	layout codec.Layout
	dns    *nameServer
	config Config

	metrics *metrics
	stop    func()
	mu      sync.Mutex
	logs    bytes.Buffer
}

// newFleet starts all but the controller. The registry has the portal network
// 10.96.0.0/16.
func newFleet(t *testing.T) *fleet {
	t.Helper()
	layout, err := codec.NewLayout("")
	if err != nil {
		t.Fatal(err)
	}
	client, err := etcd.Connect(etcd.Config{Endpoints: []string{registrytest.StartEtcd(t).Endpoint()}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	f := &fleet{t: t, client: client, layout: layout, dns: startNameServer(t)}
	f.config = Config{
		Client: client, Layout: layout, Node: "a", Resolver: f.dns.address, MinTTL: 50 * time.Millisecond,
		Logger: slog.New(slog.NewTextHandler(f, nil)),
	}
	if err := write.New(client, layout, write.Options{}).Init(t.Context(), netip.MustParsePrefix("10.96.0.0/16")); err != nil {
		t.Fatal(err)
	}
	return f
}

// Write collects the log.
func (f *fleet) Write(line []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logs.Write(line)
}

func (f *fleet) log() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.logs.String()
}

// start runs the controller, as the leader, until the test ends or stop is
// called. What is at 192.0.2.N listens at 127.1.0.N here.
func (f *fleet) start() {
	c := f.config.withDefaults()
	f.metrics = newMetrics()
	controller := newController(c, f.metrics, newStore(f.client, f.layout, write.Options{}))
	controller.probe = func(ctx context.Context, how *check, at target) error {
		at.addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, 0, at.addr.Addr().As4()[3]}), at.addr.Port())
		return how.probe(ctx, at)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := controller.run(ctx); err != nil {
			f.t.Errorf("run: %v", err)
		}
	})
	f.stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	f.t.Cleanup(f.stop)
}

// put writes manifests as they stand, as their users' own programs would.
func (f *fleet) put(manifests ...string) {
	f.t.Helper()
	for _, text := range manifests {
		documents, err := codec.ParseDocuments("test", []byte(text))
		if err != nil {
			f.t.Fatal(err)
		}
		for _, d := range documents {
			value, err := d.Value()
			if err != nil {
				f.t.Fatal(err)
			}
			if _, err := f.client.Put(f.t.Context(), f.layout.Key(d.Ref()), string(value)); err != nil {
				f.t.Fatal(err)
			}
		}
	}
}

func (f *fleet) delete(kind registry.Kind, name string) {
	f.t.Helper()
	ref := registry.Ref{Kind: kind, Key: registry.Key{Namespace: "my-ns", Name: name}}
	if _, err := f.client.Delete(f.t.Context(), f.layout.Key(ref)); err != nil {
		f.t.Fatal(err)
	}
}

// slices reads the slices that we made of a service.
func (f *fleet) slices(service string) []*registry.Endpoints {
	f.t.Helper()
	response, err := f.client.Get(f.t.Context(), f.layout.Dir(registry.KindEndpointSlice), clientv3.WithPrefix())
	if err != nil {
		f.t.Fatal(err)
	}
	var all []*registry.Endpoints
	for _, kv := range response.Kvs {
		ref, _ := f.layout.Ref(string(kv.Key))
		object, err := codec.Decode(ref, kv.Value)
		if err != nil {
			f.t.Fatal(err)
		}
		if slice := object.(*registry.Endpoints); slice.Service.Name == service && own(slice) {
			slice.ModRevision = kv.ModRevision
			all = append(all, slice)
		}
	}
	return all
}

// state says what a service's slices are in one line each: "192.0.2.1:5432",
// with a ! in front where it isn't ready, and the remarks; "" for no slices.
func (f *fleet) state(service string) string {
	f.t.Helper()
	var lines, remarks []string
	all := f.slices(service)
	for _, slice := range all {
		remarks = append(remarks, Remarks(slice)...)
		for _, subset := range slice.Subsets {
			for _, e := range subset.Endpoints {
				for _, p := range subset.Ports {
					line := netip.AddrPortFrom(e.Addr, p.Port).String()
					if !e.Ready {
						line = "!" + line
					}
					lines = append(lines, line)
				}
			}
		}
	}
	if len(all) > 0 && len(lines) == 0 {
		lines = append(lines, "nobody")
	}
	slices.Sort(lines)
	return strings.Join(append(lines, remarks...), "\n")
}

// want waits until a service's slices are in a state.
func (f *fleet) want(service string, lines ...string) {
	f.t.Helper()
	want := strings.Join(lines, "\n")
	f.await(func() string {
		if got := f.state(service); got != want {
			return fmt.Sprintf("%s: got\n%s\nwant\n%s", service, got, want)
		}
		return ""
	})
}

// never checks for a while that a service's slices stay as they are.
func (f *fleet) never(service string, lines ...string) {
	f.t.Helper()
	want := strings.Join(lines, "\n")
	for end := time.Now().Add(500 * time.Millisecond); time.Now().Before(end); {
		if got := f.state(service); got != want {
			f.t.Fatalf("%s: got\n%s\nwant\n%s", service, got, want)
		}
	}
}

// await waits until a function has nothing to complain of.
func (f *fleet) await(complaint func() string) {
	f.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		text := complaint()
		if text == "" {
			return
		}
		if time.Now().After(end) {
			f.t.Fatalf("%s\nlog:\n%s", text, f.log())
		}
	}
}

// svc returns the manifest of a service.
func svc(name, portal string, annotations ...string) string {
	list := map[string]string{}
	for i := 0; i < len(annotations); i += 2 {
		list[annotations[i]] = annotations[i+1]
	}
	text, _ := json.Marshal(list)
	return fmt.Sprintf(`{"kind":"Service","apiVersion":"v1","metadata":{"name":%q,"namespace":"my-ns","annotations":%s},
		"spec":{"clusterIP":%q,"ports":[{"port":80}]}}`, name, text, portal)
}

// eps returns the manifest of an Endpoints object, as of 2015.
func eps(name string, list ...string) string {
	text, _ := json.Marshal(list)
	return fmt.Sprintf(`{"kind":"Endpoints","apiVersion":"v1beta1","id":%q,"namespace":"my-ns","endpoints":%s}`, name, text)
}

// nameServer is a DNS server over UDP and TCP.
type nameServer struct {
	address string

	mu      sync.Mutex
	records map[string][]dns.RR // by name and type
	rcode   int                 // of all answers
	silent  bool
	asked   map[string]int // how often for a name
}

func startNameServer(t *testing.T) *nameServer {
	t.Helper()
	udp, tcp, err := listenBoth()
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{address: udp.LocalAddr().String(), records: map[string][]dns.RR{}, asked: map[string]int{}}
	for _, server := range []*dns.Server{{PacketConn: udp, Handler: s}, {Listener: tcp, Handler: s}} {
		started := make(chan struct{})
		server.NotifyStartedFunc = func() { close(started) }
		go server.ActivateAndServe()
		<-started
		t.Cleanup(func() { server.Shutdown() })
	}
	return s
}

// listenBoth listens on the same port of UDP and TCP.
func listenBoth() (net.PacketConn, net.Listener, error) {
	for range 20 {
		udp, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			return nil, nil, err
		}
		if tcp, err := net.Listen("tcp", udp.LocalAddr().String()); err == nil {
			return udp, tcp, nil
		}
		udp.Close()
	}
	return nil, nil, errors.New("no port that is free for both")
}

// set replaces all records, in the form of zone files.
func (s *nameServer) set(lines ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records, s.rcode, s.silent = map[string][]dns.RR{}, dns.RcodeSuccess, false
	for _, line := range lines {
		rr, err := dns.NewRR(line)
		if err != nil {
			panic(err)
		}
		name := rr.Header().Name
		s.records[name] = append(s.records[name], rr)
	}
}

// fail makes all answers failures.
func (s *nameServer) fail(rcode int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rcode = rcode
}

func (s *nameServer) queries(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[name]
}

// ServeDNS answers; over UDP with at most three records.
func (s *nameServer) ServeDNS(w dns.ResponseWriter, query *dns.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q := query.Question[0]
	s.asked[q.Name]++
	if s.silent {
		return
	}
	response := new(dns.Msg).SetRcode(query, s.rcode)
	if s.rcode == dns.RcodeSuccess {
		if len(s.records[q.Name]) == 0 {
			response.Rcode = dns.RcodeNameError
		}
		s.answer(response, q.Name, q.Qtype)
	}
	if _, udp := w.RemoteAddr().(*net.UDPAddr); udp && len(response.Answer) > 3 {
		response.Answer, response.Truncated = response.Answer[:1], true
	}
	w.WriteMsg(response)
}

func (s *nameServer) answer(response *dns.Msg, name string, qtype uint16) {
	for _, rr := range s.records[name] {
		if rr.Header().Rrtype == qtype {
			response.Answer = append(response.Answer, rr)
		}
		if alias, ok := rr.(*dns.CNAME); ok && len(response.Answer) < 40 {
			response.Answer = append(response.Answer, rr)
			s.answer(response, alias.Target, qtype)
		}
	}
}
