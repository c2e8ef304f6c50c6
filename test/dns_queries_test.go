package test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/test/lab"
)

// question is what a client asks, and what it must be told.
type question struct {
	name  string
	qtype uint16
	want  string
}

// always are the questions about the stock registry. Whatever happens to etcd,
// these are their answers.
var always = []question{
	{"web.my-ns.svc.cluster.local.", dns.TypeA, "NOERROR 10.0.0.1"},
	{"web.my-ns.cluster.local.", dns.TypeA, "NOERROR 10.0.0.1"},
	{"db.my-ns.svc.cluster.local.", dns.TypeA, "NOERROR 10.1.0.2, 10.1.0.3"},
	{"a.db.my-ns.svc.cluster.local.", dns.TypeA, "NOERROR 10.1.0.2"},
	{"_http._tcp.web.my-ns.svc.cluster.local.", dns.TypeSRV, "NOERROR 0 100 80 web.my-ns.svc.cluster.local."},
	{"1.0.0.10.in-addr.arpa.", dns.TypePTR, "NOERROR web.my-ns.svc.cluster.local."},
	{"3.0.1.10.in-addr.arpa.", dns.TypePTR, "NOERROR b.db.my-ns.svc.cluster.local."},
	{"web.my-ns.svc.cluster.local.", dns.TypeAAAA, "NOERROR"},
	{"nothing.my-ns.svc.cluster.local.", dns.TypeA, "NXDOMAIN"},
}

// answered asks once and returns an error unless the answer is right.
func (q question) answered(conn *dns.Conn) error {
	client := dns.Client{Timeout: tryTime}
	response, _, err := client.ExchangeWithConn(new(dns.Msg).SetQuestion(q.name, q.qtype), conn)
	if err != nil {
		return fmt.Errorf("%s %s: %w", q.name, dns.TypeToString[q.qtype], err)
	}
	if got := summary(response); got != q.want {
		return &wrongError{q, got}
	}
	return nil
}

// wrongError says that there was an answer, and a wrong one.
type wrongError struct {
	question
	got string
}

func (e *wrongError) Error() string {
	return fmt.Sprintf("%s %s: got %s, want %s", e.name, dns.TypeToString[e.qtype], e.got, e.want)
}

// summary is the rcode and the sorted records of an answer, without what is
// the same in all.
func summary(m *dns.Msg) string {
	var records []string
	for _, rr := range m.Answer {
		records = append(records, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	slices.Sort(records)
	return strings.TrimSpace(dns.RcodeToString[m.Rcode] + " " + strings.Join(records, ", "))
}

// asked returns a check of whether a host's DNS server answers as wanted.
func asked(host *lab.Host, questions ...question) func() error {
	return func() error {
		conn, err := host.Dial(context.Background(), "udp", "127.0.0.1:53")
		if err != nil {
			return err
		}
		defer conn.Close()
		for _, q := range questions {
			if err := q.answered(&dns.Conn{Conn: conn}); err != nil {
				return err
			}
		}
		return nil
	}
}

// portal is the question for a service's portal IP; "" means that there is no
// such service.
func portal(name, ip string) question {
	if ip == "" {
		return question{name + ".my-ns.svc.cluster.local.", dns.TypeA, "NXDOMAIN"}
	}
	return question{name + ".my-ns.svc.cluster.local.", dns.TypeA, "NOERROR " + ip}
}

// queries is a steady stream of questions, of which each must be answered, and
// rightly.
type queries struct {
	t       *testing.T
	stop    context.CancelFunc
	running sync.WaitGroup
	done    atomic.Int64
	failed  atomic.Int64 // those that got no answer, or a wrong one
	wrong   atomic.Int64
	first   atomic.Value // the first failure
	lie     atomic.Value // the first wrong answer
}

// queryPause is between two questions of one client. With a client for each
// question it makes some hundred questions a second.
const queryPause = 20 * time.Millisecond

// startQueries has each question asked over and over by a client of its own,
// on a host, until they are ended.
func startQueries(t *testing.T, host *lab.Host, questions ...question) *queries {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	l := &queries{t: t, stop: stop}
	t.Cleanup(l.end)
	for _, q := range questions {
		check := asked(host, q)
		l.running.Go(func() { l.ask(ctx, check) })
	}
	return l
}

func (l *queries) ask(ctx context.Context, check func() error) {
	pace := time.NewTicker(queryPause)
	defer pace.Stop()
	for ctx.Err() == nil {
		if err := check(); err != nil {
			l.fail(err)
		}
		l.done.Add(1)
		select {
		case <-pace.C:
		case <-ctx.Done():
		}
	}
}

func (l *queries) fail(err error) {
	said := time.Now().Format(time.StampMilli) + ": " + err.Error()
	l.failed.Add(1)
	l.first.CompareAndSwap(nil, said)
	if _, wrong := errors.AsType[*wrongError](err); wrong {
		l.wrong.Add(1)
		l.lie.CompareAndSwap(nil, said)
	}
}

func (l *queries) end() {
	l.stop()
	l.running.Wait()
}

// more waits until some more questions were asked.
func (l *queries) more() {
	l.t.Helper()
	goal := l.done.Load() + 200
	eventually(l.t, recovery, "questions are asked", func() error {
		if n := l.done.Load(); n < goal {
			return fmt.Errorf("%d asked, want %d", n, goal)
		}
		return nil
	})
}

// check ends the questions and fails the test if any was not answered rightly.
func (l *queries) check(during string) {
	l.t.Helper()
	l.end()
	if n := l.failed.Load(); n > 0 {
		l.t.Errorf("%s: %d of %d queries failed; the first: %v", during, n, l.done.Load(), l.first.Load())
	}
	l.t.Logf("%s: %d queries, %d failed", during, l.done.Load(), l.failed.Load())
}

// checkNoneWrong ends the questions and fails the test if any got a wrong
// answer. Those that got none don't count: there was nobody to answer.
func (l *queries) checkNoneWrong(during string) {
	l.t.Helper()
	l.end()
	if n := l.wrong.Load(); n > 0 {
		l.t.Errorf("%s: %d of %d queries were answered wrongly; the first: %v", during, n, l.done.Load(), l.lie.Load())
	}
	l.t.Logf("%s: %d queries, %d not answered, %d wrong", during, l.done.Load(), l.failed.Load(), l.wrong.Load())
}
