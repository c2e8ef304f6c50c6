package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/test/lab"
)

// Each corefile block of the plugin's README starts as it stands, on a host of
// its own where it finds no etcd: so it answers SERVFAIL.
func TestReadmeCorefiles(t *testing.T) {
	readme, err := os.ReadFile("../../plugin/svcreg/README.md")
	if err != nil {
		t.Fatal(err)
	}
	var servers []*example
	for _, block := range regexp.MustCompile(`(?ms)^~~~ corefile\n(.*?)^~~~$`).FindAllStringSubmatch(string(readme), -1) {
		servers = append(servers, startExample(t, block[1]))
	}
	if len(servers) == 0 {
		t.Fatal("there is none")
	}
	for _, s := range servers {
		for _, q := range s.questions() {
			s.mustFail(t, q)
		}
	}
}

// example is a CoreDNS with one of the README's Corefiles.
type example struct {
	corefile string
	host     *lab.Host
	output   bytes.Buffer // not to be read before it has ended
	ended    chan struct{}
}

// startExample starts a CoreDNS, which is killed when the test ends. It sees no
// snapshot that the machine keeps below /var/lib.
func startExample(t *testing.T, corefile string) *example {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &example{corefile: corefile, host: lab.New(t).Host("server"), ended: make(chan struct{})}
	cmd := s.host.Command(t.Context(), "sh", "-ec", `mount -t tmpfs none /var/lib; exec "$0" -conf stdin`, exe)
	cmd.Env = append(os.Environ(), "SVCREG_RUN_MAIN=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(corefile), &s.output, &s.output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { <-s.ended }) // killed by t's context
	go func(cmd *exec.Cmd) {
		_ = cmd.Wait()
		close(s.ended)
	}(cmd)
	return s
}

// question is a name of a service that there could be, and the port on which
// to ask for it.
type question struct{ port, name string }

// questions returns one for each stanza: in its first zone, else the server
// block's.
func (s *example) questions() (questions []question) {
	var key string
	for line := range strings.Lines(s.corefile) {
		words := strings.Fields(strings.TrimSuffix(strings.TrimSpace(line), "{"))
		switch {
		case len(words) == 0:
		case line[0] != ' ' && line[0] != '}':
			key = words[0]
		case words[0] == "svcreg":
			zone, port, found := strings.Cut(key, ":")
			if !found {
				port = "53"
			}
			if len(words) > 1 {
				zone = words[1]
			}
			questions = append(questions, question{port, "my-service.my-ns.svc." + strings.TrimPrefix(dns.Fqdn(zone), ".")})
		}
	}
	return questions
}

// mustFail fails the test unless SERVFAIL is the answer, as soon as there is
// one.
func (s *example) mustFail(t *testing.T, q question) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		m, err := s.ask(t.Context(), q)
		switch {
		case err == nil && m.Rcode != dns.RcodeServerFailure:
			t.Errorf("%s: got %s, want SERVFAIL with\n%s", q.name, dns.RcodeToString[m.Rcode], s.corefile)
			return
		case err == nil:
			return
		case time.Now().After(deadline):
			t.Errorf("%s: %v with\n%s", q.name, err, s.corefile)
			return
		}
		select {
		case <-s.ended:
			t.Errorf("it doesn't start with\n%s%s", s.corefile, s.output.String())
			return
		default:
		}
	}
}

func (s *example) ask(ctx context.Context, q question) (*dns.Msg, error) {
	conn, err := s.host.Dial(ctx, "udp", net.JoinHostPort("127.0.0.1", q.port))
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	c := dns.Client{Timeout: time.Second}
	m, _, err := c.ExchangeWithConnContext(ctx, new(dns.Msg).SetQuestion(q.name, dns.TypeA), &dns.Conn{Conn: conn})
	return m, err
}
