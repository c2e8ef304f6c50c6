package measure

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/bench/dnsperf"
	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/lab"
	"github.com/svcreg/svcreg/bench/peers"
	"github.com/svcreg/svcreg/bench/process"
	"github.com/svcreg/svcreg/bench/report"
)

func TestRecord(t *testing.T) {
	var got []report.Throughput
	got = record(got, report.Unpinned, fleet.A, peers.Svcreg, report.Round{QPS: 1})
	got = record(got, report.Unpinned, fleet.PTR, peers.Svcreg, report.Round{QPS: 2})
	got = record(got, report.Unpinned, fleet.A, peers.Svcreg, report.Round{QPS: 3})
	want := []report.Throughput{
		{Mode: report.Unpinned, Kind: fleet.A, Server: peers.Svcreg, Rounds: []report.Round{{QPS: 1}, {QPS: 3}}},
		{Mode: report.Unpinned, Kind: fleet.PTR, Server: peers.Svcreg, Rounds: []report.Round{{QPS: 2}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestCheckRcodes(t *testing.T) {
	svcreg, whoami := &lab.Server{Peer: peers.Svcreg}, &lab.Server{Peer: peers.Whoami}
	for _, tt := range []struct {
		name   string
		server *lab.Server
		kind   fleet.Kind
		rcodes map[string]int
		ok     bool
	}{
		{"all right", svcreg, fleet.A, map[string]int{"NOERROR": 10}, true},
		{"one wrong", svcreg, fleet.A, map[string]int{"NOERROR": 9, "SERVFAIL": 1}, false},
		{"names that don't exist", svcreg, fleet.NXDOMAIN, map[string]int{"NXDOMAIN": 10}, true},
		{"names that shouldn't exist", svcreg, fleet.NXDOMAIN, map[string]int{"NOERROR": 10}, false},
		{"whoami knows no names", whoami, fleet.NXDOMAIN, map[string]int{"NOERROR": 10}, true},
	} {
		err := checkRcodes(tt.server, tt.kind, dnsperf.Result{Completed: 10, Rcodes: tt.rcodes})
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if checkRcodes(svcreg, fleet.A, dnsperf.Result{}) == nil {
		t.Error("no answer at all was accepted")
	}
}

// serveDNS answers on a loopback port until the test ends. The process beside
// it is there to be alive.
func serveDNS(t *testing.T, p peers.Peer, answer dns.HandlerFunc) *lab.Server {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{PacketConn: conn, Handler: answer}
	done := make(chan error, 1)
	go func() { done <- server.ActivateAndServe() }()
	alive, err := process.Start(t.Context(), process.Options{}, "sleep", "sleep", "60")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		<-done
		alive.Kill()
	})
	return &lab.Server{Process: alive, Peer: p, Addr: netip.MustParseAddrPort(conn.LocalAddr().String())}
}

// reply returns a handler that fails some times, then says what is right.
func reply(t *testing.T, q fleet.Question, failures int) dns.HandlerFunc {
	t.Helper()
	return func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg).SetReply(r)
		if failures--; failures >= 0 {
			m.Rcode = dns.RcodeServerFailure
		} else {
			record, err := dns.NewRR(q.Name + " 5 IN A " + q.Answers[0])
			if err != nil {
				t.Error(err)
			}
			m.Answer = []dns.RR{record}
		}
		_ = w.WriteMsg(m)
	}
}

func TestFirstAnswer(t *testing.T) {
	q := fleet.Fleet{Services: 20, Endpoints: 1}.Questions(fleet.A)[0]
	for _, p := range []peers.Peer{peers.Svcreg, peers.Whoami} {
		s := serveDNS(t, p, reply(t, q, 5))
		before := time.Now()
		came, err := firstAnswer(t.Context(), s, q)
		if err != nil || came.Before(before) {
			t.Errorf("%s: %v, %v", p, came, err)
		}
		if early := came.Sub(before); early < 5*time.Millisecond {
			t.Errorf("%s: right after %v, before the failures were over", p, early)
		}
	}
}

func TestFirstAnswerEnds(t *testing.T) {
	q := fleet.Fleet{Services: 20, Endpoints: 1}.Questions(fleet.A)[0]
	s := serveDNS(t, peers.Svcreg, reply(t, q, 1<<30))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := firstAnswer(ctx, s, q); err == nil {
		t.Error("no error though ctx ended")
	}
	s.Kill()
	if _, err := firstAnswer(t.Context(), s, q); err == nil || !strings.Contains(err.Error(), "sleep ended") {
		t.Errorf("the server ended: %v", err)
	}
}

func TestVerify(t *testing.T) {
	questions := fleet.Fleet{Services: 20, Endpoints: 1}.Questions(fleet.A)
	s := serveDNS(t, peers.Svcreg, reply(t, questions[0], 0)) // the same answer to all
	if err := verify(t.Context(), s, questions[:1]); err != nil {
		t.Errorf("right: %v", err)
	}
	if err := verify(t.Context(), s, questions); err == nil {
		t.Error("wrong answers were accepted")
	}
}
