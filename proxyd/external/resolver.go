package external

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

const (
	queryTimeout = 2 * time.Second
	// lookupTimeout bounds all queries for one name.
	lookupTimeout = 10 * time.Second
	// payload is the largest answer over UDP that isn't likely to be cut up.
	payload     = 1232
	mostAliases = 16
)

var families = [...]uint16{dns.TypeA, dns.TypeAAAA}

// answer is what name servers say of a name, for each family by itself.
type answer struct {
	addrs [len(families)][]netip.Addr
	errs  [len(families)]error // why there is no answer; nil for an empty one
	ttl   time.Duration        // the shortest of all records; zero where there is none
	chain []string             // the name, and the aliases that it stands for
}

// failed returns why the answer is none: a family without one, where the other
// has no addresses either. No address at all is no answer one could use.
func (a *answer) failed() error {
	v4, v6 := a.errs[0], a.errs[1]
	switch {
	case len(a.addrs[0])+len(a.addrs[1]) > 0:
		return nil
	case v4 == nil && v6 == nil:
		return errNoAddress
	case v4 != nil && v6 != nil && v4.Error() != v6.Error():
		return fmt.Errorf("%w for IPv4, %w for IPv6", v4, v6)
	}
	return cmp.Or(v4, v6)
}

var errNoAddress = errors.New("the name has no address")

// resolver asks name servers.
type resolver struct {
	// servers returns whom to ask, with their ports.
	servers func() ([]string, error)
}

// newResolver returns a resolver that asks a server, or without one those of
// the system, which may change.
func newResolver(server string) *resolver {
	if server != "" {
		return &resolver{func() ([]string, error) { return []string{server}, nil }}
	}
	return &resolver{func() ([]string, error) { return serversIn("/etc/resolv.conf") }}
}

// serversIn returns the name servers that a file as resolv.conf(5) names.
func serversIn(file string) ([]string, error) {
	config, err := dns.ClientConfigFromFile(file)
	if err != nil {
		return nil, fmt.Errorf("name servers: %w", err)
	}
	var servers []string
	for _, s := range config.Servers {
		servers = append(servers, net.JoinHostPort(s, config.Port))
	}
	if len(servers) == 0 {
		return nil, errors.New(file + " names no name server")
	}
	return servers, nil
}

// lookup resolves a name, which is taken to be complete: no search list.
func (r *resolver) lookup(ctx context.Context, name string) *answer {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	a := &answer{chain: []string{name}}
	servers, err := r.servers()
	for i, qtype := range families {
		if err != nil {
			a.errs[i] = err
			continue
		}
		var response *dns.Msg
		if response, a.errs[i] = ask(ctx, servers, name, qtype); a.errs[i] == nil {
			a.take(i, response)
		}
	}
	return a
}

// ask returns the first answer that a server gives, of those that tell whether
// the name exists.
func ask(ctx context.Context, servers []string, name string, qtype uint16) (*dns.Msg, error) {
	var last error
	for _, server := range servers {
		response, err := exchange(ctx, server, name, qtype)
		if err == nil {
			return response, nil
		}
		last = err
		if errors.Is(err, errNoName) || ctx.Err() != nil {
			break
		}
	}
	return nil, last
}

var errNoName = errors.New("the name doesn't exist")

// exchange asks one server, over TCP too where the answer is too long for UDP.
func exchange(ctx context.Context, server, name string, qtype uint16) (*dns.Msg, error) {
	query := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	query.SetEdns0(payload, false)
	client := &dns.Client{Timeout: queryTimeout, UDPSize: payload}
	response, _, err := client.ExchangeContext(ctx, query, server)
	if err == nil && response.Truncated {
		client.Net = "tcp"
		response, _, err = client.ExchangeContext(ctx, query, server)
	}
	switch {
	case err != nil:
		return nil, plain(err)
	case response.Rcode == dns.RcodeNameError:
		return nil, errNoName
	case response.Rcode != dns.RcodeSuccess:
		return nil, errors.New(dns.RcodeToString[response.Rcode])
	}
	return response, nil
}

// take reads the records that belong to the name: its own, and those of the
// aliases that it leads to.
func (a *answer) take(family int, response *dns.Msg) {
	name := dns.CanonicalName(a.chain[0])
	for range mostAliases {
		next := ""
		for _, rr := range response.Answer {
			if dns.CanonicalName(rr.Header().Name) != name {
				continue
			}
			switch rr := rr.(type) {
			case *dns.A:
				a.add(family, 0, rr.A, rr.Hdr.Ttl)
			case *dns.AAAA:
				a.add(family, 1, rr.AAAA, rr.Hdr.Ttl)
			case *dns.CNAME:
				next = dns.CanonicalName(rr.Target)
				a.lasts(rr.Hdr.Ttl)
			}
		}
		if next == "" {
			return
		}
		a.chain = append(a.chain, next)
		name = next
	}
	a.addrs[family], a.errs[family] = nil, fmt.Errorf("more than %d aliases", mostAliases)
}

// add adds an address of the family that was asked for.
func (a *answer) add(asked, family int, ip net.IP, ttl uint32) {
	if addr, ok := netip.AddrFromSlice(ip); ok && asked == family {
		a.addrs[family] = append(a.addrs[family], addr.Unmap())
		a.lasts(ttl)
	}
}

func (a *answer) lasts(seconds uint32) {
	ttl := max(time.Duration(seconds)*time.Second, 1)
	if a.ttl == 0 || ttl < a.ttl {
		a.ttl = ttl
	}
}
