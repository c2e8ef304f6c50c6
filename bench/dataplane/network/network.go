//go:build linux

// Package network builds the network of the data plane's benchmark out of
// network namespaces: a client, a node that everything passes, and behind it a
// host that has the addresses of all endpoints. Nothing in it reaches the
// machine's own network.
//
//	client ──── node ──── pods
package network

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/svcreg/svcreg/bench/dataplane/services"
)

// Network is three hosts.
type Network struct{ Client, Node, Pods Host }

// The link addresses of the cable between the client and the node.
const (
	ClientMAC = "02:00:00:00:00:01"
	NodeMAC   = "02:00:00:00:00:02"
	// podsMAC is that of the pods' interface.
	podsMAC = "02:00:00:00:00:03"
	// behindMAC is that of the node's interface at the same cable.
	behindMAC = "02:00:00:00:00:04"
)

// prefix begins the names of all namespaces of this benchmark; the number of
// the process follows.
const prefix = "svcreg-bench-"

var networks atomic.Int32

// Check returns why no network can be built here, or nil.
func Check() error {
	if os.Geteuid() != 0 {
		return errors.New("network namespaces need root")
	}
	if _, err := exec.LookPath("ip"); err != nil {
		return fmt.Errorf("network namespaces: %w (on Debian: apt install iproute2)", err)
	}
	return nil
}

// Open builds a network. The caller closes it, also if there is an error.
func Open(ctx context.Context) (*Network, error) {
	id := fmt.Sprintf("%s%d-%d-", prefix, os.Getpid(), networks.Add(1))
	n := &Network{Host(id + "client"), Host(id + "node"), Host(id + "pods")}
	for _, step := range []func(context.Context) error{n.add, n.connect, n.client, n.node, n.pods, n.await} {
		if err := step(ctx); err != nil {
			return n, fmt.Errorf("network: %w", err)
		}
	}
	return n, nil
}

// Close removes the network and all that is in it.
func (n *Network) Close() error {
	var errs []error
	for _, h := range []Host{n.Client, n.Node, n.Pods} {
		if _, err := os.Stat(h.file()); err == nil {
			errs = append(errs, ip(context.Background(), "", "netns del "+string(h)))
		}
	}
	return errors.Join(errs...)
}

func (n *Network) add(ctx context.Context) error {
	return ip(ctx, "", "netns add "+string(n.Client), "netns add "+string(n.Node), "netns add "+string(n.Pods))
}

// connect joins the hosts by cables. Each end is named after the other host.
func (n *Network) connect(ctx context.Context) error {
	return ip(ctx, "",
		fmt.Sprintf("link add node netns %s address %s type veth peer name client netns %s address %s", n.Client, ClientMAC, n.Node, NodeMAC),
		fmt.Sprintf("link add pods netns %s address %s type veth peer name node netns %s address %s", n.Node, behindMAC, n.Pods, podsMAC))
}

// client gives the client its address, and the node as the way to everything.
func (n *Network) client(ctx context.Context) error {
	return ip(ctx, n.Client, "link set lo up", "addr add 10.255.0.2/16 dev node", "link set node up",
		"neigh replace 10.255.0.1 lladdr "+NodeMAC+" dev node nud permanent", "route add default via 10.255.0.1")
}

// node makes a router of the node. It knows no way to portal IPs: what comes to
// one without a rule is lost.
func (n *Network) node(ctx context.Context) error {
	err := n.Node.Sysctl(map[string]string{"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1"})
	if err != nil {
		return err
	}
	lines := []string{
		"link set lo up", "addr add 10.255.0.1/16 dev client", "link set client up",
		"addr add 192.0.2.1/30 dev pods", "link set pods up",
		"neigh replace 10.255.0.2 lladdr " + ClientMAC + " dev client nud permanent",
		"neigh replace 192.0.2.2 lladdr " + podsMAC + " dev pods nud permanent",
	}
	for _, p := range []fmt.Stringer{services.Pods, services.Void, services.Elsewhere} {
		lines = append(lines, "route add "+p.String()+" via 192.0.2.2")
	}
	return ip(ctx, n.Node, lines...)
}

// pods lets a host answer for all endpoints, and swallow what is for nobody.
func (n *Network) pods(ctx context.Context) error {
	if err := n.Pods.Sysctl(map[string]string{"core/somaxconn": "65535"}); err != nil {
		return err
	}
	return ip(ctx, n.Pods, "link set lo up", "addr add 192.0.2.2/30 dev node", "link set node up",
		"neigh replace 192.0.2.1 lladdr "+behindMAC+" dev node nud permanent", "route add default via 192.0.2.1", "route add local "+services.Pods.String()+" dev lo",
		"route add blackhole "+services.Void.String(), "route add blackhole "+services.Elsewhere.String())
}

// await waits until all cables carry: the kernel takes note of a new one after
// up to a second, and until then drops what is sent.
func (n *Network) await(ctx context.Context) error {
	for host, names := range map[Host][]string{n.Client: {"node"}, n.Node: {"client", "pods"}, n.Pods: {"node"}} {
		err := host.Do(func() error {
			for _, name := range names {
				if err := carries(ctx, name); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// carries waits until an interface of the calling thread's host is up.
func carries(ctx context.Context, name string) error {
	for {
		link, err := netlink.LinkByName(name)
		if err != nil || link.Attrs().OperState == netlink.OperUp {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
}

// ip has the ip command carry out some lines, in a namespace if one is named.
func ip(ctx context.Context, h Host, lines ...string) error {
	args := []string{"-batch", "-"}
	if h != "" {
		args = append([]string{"-n", string(h)}, args...)
	}
	cmd := exec.CommandContext(ctx, "ip", args...)
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}
