package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/svcreg/svcreg/registry"
)

// workload is a process that serves, as flags describe it: what a kubelet would
// write into a pod's record.
type workload struct {
	namespace, name, node string
	labels, ports, ips    []string
}

func (w *workload) addFlags(flags *pflag.FlagSet) {
	flags.StringSliceVarP(&w.labels, "label", "l", nil, "`KEY=VALUE` by which services select it; may be repeated")
	flags.StringSliceVarP(&w.ports, "port", "p", nil, "`[NAME:]PORT[/PROTOCOL]` that it serves, such as 80, http:8080 or dns:53/udp; may be repeated")
	flags.StringSliceVar(&w.ips, "ip", nil, "`ADDRESS` at which it serves, one of each family at most (default the one from which this host reaches etcd)")
	flags.StringVar(&w.node, "node", "", "`NAME` of the node that it runs on (default the host's name)")
}

// pod returns the workload's record, which isn't ready.
func (w *workload) pod(ctx context.Context, etcd []string) (*registry.Pod, error) {
	p := &registry.Pod{Node: w.node}
	var err error
	if p.Node == "" {
		if p.Node, err = os.Hostname(); err != nil {
			return nil, err
		}
		p.Node = strings.ToLower(p.Node)
	}
	if w.name == "" {
		w.name = strings.ToLower(p.Node) + "-" + strings.ToLower(rand.Text()[:6])
	}
	p.Meta = registry.Meta{Kind: registry.KindPod, Key: registry.Key{Namespace: w.namespace, Name: w.name}}
	if p.Labels, err = parseLabels(w.labels); err != nil {
		return nil, err
	}
	if p.Ports, err = parsePorts(w.ports); err != nil {
		return nil, err
	}
	p.IPs, err = w.addresses(ctx, etcd)
	if err == nil {
		p.HostIP = p.IPs[0]
	}
	return p, err
}

// parseLabels reads "key=value" words.
func parseLabels(words []string) (map[string]string, error) {
	labels := map[string]string{}
	for _, word := range words {
		key, value, ok := strings.Cut(word, "=")
		if !ok || key == "" || strings.ContainsAny(word, " \t\n,") {
			return nil, usagef("-l %q: want KEY=VALUE", word)
		}
		if other, twice := labels[key]; twice && other != value {
			return nil, usagef("-l %q: want one value, %s=%s stands there too", word, key, other)
		}
		labels[key] = value
	}
	return labels, nil
}

// parsePorts reads "name:port/protocol" words.
func parsePorts(words []string) ([]registry.ContainerPort, error) {
	var ports []registry.ContainerPort
	for _, word := range words {
		p := registry.ContainerPort{Protocol: registry.TCP}
		name, rest, named := strings.Cut(word, ":")
		if p.Name = name; !named {
			p.Name, rest = "", word
		}
		number, protocol, given := strings.Cut(rest, "/")
		if given {
			p.Protocol = registry.Protocol(strings.ToUpper(protocol))
		}
		n, err := strconv.ParseUint(number, 10, 16)
		switch {
		case err != nil || n == 0 || named && name == "":
			return nil, usagef("-p %q: want [NAME:]PORT[/PROTOCOL], such as http:8080/tcp", word)
		case p.Protocol != registry.TCP && p.Protocol != registry.UDP && p.Protocol != registry.SCTP:
			return nil, usagef("-p %q: want the protocol tcp, udp or sctp", word)
		}
		p.Port = uint16(n)
		ports = append(ports, p)
	}
	return ports, nil
}

// addresses returns where the workload serves.
func (w *workload) addresses(ctx context.Context, etcd []string) ([]netip.Addr, error) {
	families := map[bool]string{}
	var addrs []netip.Addr
	for _, text := range w.ips {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return nil, usagef("--ip %q: want an IP address", text)
		}
		addr = addr.Unmap()
		if other := families[addr.Is6()]; other != "" {
			return nil, usagef("--ip %s: want one address of each family, %s stands there too", text, other)
		}
		families[addr.Is6()] = text
		addrs = append(addrs, addr)
	}
	if len(addrs) > 0 {
		return addrs, nil
	}
	addr, err := ownAddress(ctx, etcd)
	return []netip.Addr{addr}, err
}

// ownAddress returns the address from which this host reaches etcd, or where
// that is this host, its first one that others can reach.
func ownAddress(ctx context.Context, etcd []string) (netip.Addr, error) {
	for _, endpoint := range etcd {
		if addr, ok := sourceFor(ctx, endpoint); ok {
			return addr, nil
		}
	}
	list, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}, err
	}
	for _, a := range list {
		if p, err := netip.ParsePrefix(a.String()); err == nil && p.Addr().IsGlobalUnicast() {
			return p.Addr().Unmap(), nil
		}
	}
	return netip.Addr{}, errors.New("this host has no address that others can reach: want --ip")
}

// sourceFor returns the address from which packets to an endpoint go out. It
// sends none.
func sourceFor(ctx context.Context, endpoint string) (netip.Addr, bool) {
	if _, after, found := strings.Cut(endpoint, "://"); found {
		endpoint = after
	}
	var dialer net.Dialer
	socket, err := dialer.DialContext(ctx, "udp", strings.TrimSuffix(endpoint, "/"))
	if err != nil {
		return netip.Addr{}, false
	}
	defer func() { _ = socket.Close() }()
	local, err := netip.ParseAddrPort(socket.LocalAddr().String())
	addr := local.Addr().Unmap()
	return addr, err == nil && addr.IsGlobalUnicast()
}

// whereabouts names a workload and where it serves, for people.
func whereabouts(p *registry.Pod) string {
	var addrs []string
	for _, a := range p.IPs {
		addrs = append(addrs, a.String())
	}
	return fmt.Sprintf("%s at %s", handle(p.Ref()), strings.Join(addrs, " and "))
}
