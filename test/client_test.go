package test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/test/lab"
)

// tryTime bounds one connection or lookup of a test.
const tryTime = 5 * time.Second

// serveHTTP answers on a port of all of a host's addresses: which host
// answers, and which address asked.
func serveHTTP(t *testing.T, host *lab.Host, port string) {
	t.Helper()
	listener, err := host.Listen("tcp", ":"+port)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		client, _, _ := net.SplitHostPort(r.RemoteAddr)
		fmt.Fprint(w, host.Name()+" "+client)
	})}
	t.Cleanup(func() { server.Close() })
	go func() { _ = server.Serve(listener) }()
}

// serveUDP does the same for datagrams.
func serveUDP(t *testing.T, host *lab.Host, port string) {
	t.Helper()
	conn, err := host.ListenPacket("udp", ":"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		buffer := make([]byte, 1500)
		for {
			_, client, err := conn.ReadFrom(buffer)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err == nil {
				address, _, _ := net.SplitHostPort(client.String())
				_, _ = conn.WriteTo([]byte(host.Name()+" "+address), client)
			}
		}
	}()
}

// answer is what a server said: who it is, and whom it saw.
type answer struct {
	server, client string
}

func parseAnswer(text string) (answer, error) {
	server, client, ok := strings.Cut(text, " ")
	if !ok {
		return answer{}, fmt.Errorf("answer %q", text)
	}
	return answer{server, client}, nil
}

// fetch gets a URL from a host, on a connection of its own. Names are asked of
// both nodes' DNS.
func (f *fleet) fetch(host *lab.Host, url string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), tryTime)
	defer cancel()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			name, port, err := net.SplitHostPort(address)
			if err != nil || net.ParseIP(name) != nil {
				return host.Dial(ctx, network, address)
			}
			addrs, err := resolve(host, name, nameserver1, nameserver2)
			if err != nil {
				return nil, err
			}
			return host.Dial(ctx, network, net.JoinHostPort(addrs[0], port))
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return string(body), err
}

// get asks one of the fleet's servers.
func (f *fleet) get(host *lab.Host, url string) (answer, error) {
	body, err := f.fetch(host, url)
	if err != nil {
		return answer{}, err
	}
	return parseAnswer(body)
}

// getUDP asks one of the fleet's servers by a datagram from a new socket.
func (f *fleet) getUDP(host *lab.Host, address string) (answer, error) {
	conn, err := host.Dial(context.Background(), "udp", address)
	if err != nil {
		return answer{}, err
	}
	defer conn.Close()
	return exchange(conn, tryTime)
}

// exchange sends a datagram on a connected socket and reads its answer.
func exchange(conn net.Conn, patience time.Duration) (answer, error) {
	_ = conn.SetDeadline(time.Now().Add(patience))
	if _, err := conn.Write([]byte("?")); err != nil {
		return answer{}, err
	}
	buffer := make([]byte, 1500)
	n, err := conn.Read(buffer)
	if err != nil {
		return answer{}, err
	}
	return parseAnswer(string(buffer[:n]))
}

// errNoSuchName is the answer NXDOMAIN.
var errNoSuchName = errors.New("no such name")

// lookup returns the addresses of a name, sorted, as node1's DNS has them for
// a host.
func (f *fleet) lookup(host *lab.Host, name string) ([]string, error) {
	return resolve(host, name, nameserver1)
}

// resolve returns the addresses of a name, sorted. Like every stub resolver it
// asks the next server where one doesn't answer, and then all of them again.
func resolve(host *lab.Host, name string, servers ...string) ([]string, error) {
	var addrs []string
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		question := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
		response, err := askAny(host, question, append(servers, servers...))
		if err != nil {
			return nil, fmt.Errorf("resolve %s: %w", name, err)
		}
		for _, rr := range response.Answer {
			switch rr := rr.(type) {
			case *dns.A:
				addrs = append(addrs, rr.A.String())
			case *dns.AAAA:
				addrs = append(addrs, rr.AAAA.String())
			}
		}
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("resolve %s: no address", name)
	}
	slices.Sort(addrs)
	return addrs, nil
}

// askAny returns the first answer of several servers that says something.
func askAny(host *lab.Host, question *dns.Msg, servers []string) (response *dns.Msg, err error) {
	for _, server := range servers {
		if response, err = ask(host, question, server); err != nil {
			continue
		}
		switch response.Rcode {
		case dns.RcodeSuccess:
			return response, nil
		case dns.RcodeNameError:
			return nil, errNoSuchName
		}
		err = fmt.Errorf("%s says %s", server, dns.RcodeToString[response.Rcode])
	}
	return nil, err
}

// ask sends one query to one server and waits a second for its answer.
func ask(host *lab.Host, question *dns.Msg, server string) (*dns.Msg, error) {
	conn, err := host.Dial(context.Background(), "udp", server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	client := dns.Client{Timeout: time.Second}
	response, _, err := client.ExchangeWithConn(question, &dns.Conn{Conn: conn})
	return response, err
}

// servers asks a URL until every server of a set has answered, or fails.
func (f *fleet) servers(host *lab.Host, url string, names ...string) {
	f.t.Helper()
	seen := map[string]bool{}
	for range 200 {
		a, err := f.get(host, url)
		if err != nil {
			f.t.Errorf("%s: %s: %v", host.Name(), url, err)
			return
		}
		if !slices.Contains(names, a.server) {
			f.t.Errorf("%s: %s: answered by %s, want one of %v", host.Name(), url, a.server, names)
			return
		}
		seen[a.server] = true
		if len(seen) == len(names) {
			return
		}
	}
	f.t.Errorf("%s: %s: of %v only %v answered", host.Name(), url, names, seen)
}
