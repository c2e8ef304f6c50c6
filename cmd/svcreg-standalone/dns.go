package main

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"

	_ "github.com/svcreg/svcreg/cmd/internal/chain" // CoreDNS's plugins, svcreg among them
)

// nameServer is the CoreDNS of this process.
type nameServer struct {
	instance *caddy.Instance
}

// startDNS starts CoreDNS. It serves at once, and answers from the registry as
// soon as that is read.
func startDNS(cfg *config) (*nameServer, error) {
	corefile, err := cfg.corefile()
	if err != nil {
		return nil, err
	}
	caddy.Quiet, dnsserver.Quiet = true, true
	instance, err := caddy.Start(caddy.CaddyfileInput{
		Filepath:       "Corefile",
		Contents:       []byte(corefile),
		ServerTypeName: "dns",
	})
	if err != nil {
		return nil, fmt.Errorf("start DNS on %s: %w", strings.Join(cfg.dnsListen, ", "), err)
	}
	return &nameServer{instance}, nil
}

// stop ends all that CoreDNS runs.
func (s *nameServer) stop() {
	_ = s.instance.Stop()
	_ = s.instance.ShutdownCallbacks()
	s.instance.Wait()
}

// corefile returns the configuration of CoreDNS.
func (c *config) corefile() (string, error) {
	var hosts []string
	var port string
	for _, listen := range c.dnsListen {
		h, p, err := splitListen(listen)
		if err != nil {
			return "", err
		}
		if port != "" && p != port {
			return "", fmt.Errorf("%w: --dns-listen: ports %s and %s: want one port", errUsage, port, p)
		}
		hosts, port = append(hosts, h), p
	}
	if port == "" {
		return "", fmt.Errorf("%w: --dns-listen: want at least one address", errUsage)
	}
	var b strings.Builder
	fmt.Fprintf(&b, ".:%s {\n\tbind %s\n\terrors\n", port, strings.Join(hosts, " "))
	fmt.Fprintf(&b, "\tsvcreg %s . in-addr.arpa ip6.arpa {\n\t\tendpoint %s\n\t\tsnapshot %q\n\t\tfallthrough\n\t}\n",
		c.zone, c.etcdListen[0], filepath.Join(c.dataDir, "dns.snapshot"))
	if len(c.dnsForward) > 0 {
		fmt.Fprintf(&b, "\tforward . %s\n", strings.Join(c.dnsForward, " "))
	}
	b.WriteString("}\n")
	return b.String(), nil
}

// splitListen takes an address of --dns-listen apart.
func splitListen(listen string) (host, port string, err error) {
	host, port, err = net.SplitHostPort(listen)
	if err != nil || net.ParseIP(host) == nil {
		return "", "", fmt.Errorf("%w: --dns-listen: %q: want an address and port such as 127.0.0.1:1053", errUsage, listen)
	}
	return host, port, nil
}
