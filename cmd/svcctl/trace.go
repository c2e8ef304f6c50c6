package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// traceQuery is what trace was asked for.
type traceQuery struct {
	target destination
	zone   string
	// from is who connects; the zero Addr for the node itself.
	from   netip.Addr
	node   string
	policy rules.Policy
}

func (a *app) traceCommand() *cobra.Command {
	var q traceQuery
	var namespace, from, protocol string
	var pods, public []string
	command := &cobra.Command{
		Use:   "trace HOST|IP[:PORT]",
		Short: "Say where a connection to a service goes, and why",
		Long: `Say where a connection to a service goes: its name's records, the rules that
proxyd makes of the service, the endpoints that may get the connection, and why
others don't. It asks the registry only, no name server and no kernel.

HOST is a service's name in any form that DNS has it, an endpoint's or a port's
(_http._tcp.my-service.my-ns); IP is an address of a service, or with a port one
of a node. PORT is a number or a port's name; without it all ports are traced.

The rules are those of a proxyd with the same flags, but for --public-ip-ranges,
which has all addresses here where it isn't given.`,
		Example: "  svcctl trace my-service.my-ns:80 --from 10.1.2.3 --node my-node\n  svcctl trace 192.0.2.10:30080",
		RunE: func(command *cobra.Command, args []string) (err error) {
			if len(args) != 1 {
				return usagef("want a HOST or an IP, and a :PORT if you like")
			}
			if q.target, err = parseDestination(args[0], namespace, q.zone, protocol); err != nil {
				return err
			}
			if err := q.parse(from, pods, public); err != nil {
				return err
			}
			return a.trace(command.Context(), &q)
		},
	}
	flags := command.Flags()
	flags.StringVarP(&namespace, "namespace", "n", "default", "`NAMESPACE` of a service that is named without")
	flags.StringVar(&q.zone, "zone", "cluster.local", "DNS `ZONE` of the registry's names")
	flags.StringVar(&protocol, "protocol", "", "`PROTOCOL`: TCP, UDP or SCTP; all that there are if not given")
	flags.StringVar(&from, "from", "", "`ADDRESS` of the client; the node itself if not given")
	flags.StringVar(&q.node, "node", "", "`NAME` of the node that the packet meets first; for a node's address that one if not given")
	flags.StringSliceVar(&pods, "cluster-cidr", nil, "`CIDRS` of the pods, as proxyd has them")
	flags.StringSliceVar(&public, "public-ip-ranges", []string{"0.0.0.0/0", "::/0"}, "`CIDRS` where public addresses may be, as proxyd has them")
	flags.BoolVar(&q.policy.MasqueradeAll, "masquerade-all", false, "as proxyd has it")
	return command
}

// parse reads what the flags say of the client and of proxyd.
func (q *traceQuery) parse(from string, pods, public []string) (err error) {
	if from != "" {
		if q.from, err = netip.ParseAddr(from); err != nil {
			return usagef("--from %q: want an address", from)
		}
		q.from = q.from.Unmap()
	}
	q.policy.NodePorts = true
	if q.policy.ClusterCIDRs, err = parseNetworks("cluster-cidr", pods); err != nil {
		return err
	}
	q.policy.PublicRanges, err = parseNetworks("public-ip-ranges", public)
	return err
}

func parseNetworks(flag string, texts []string) (all []netip.Prefix, _ error) {
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, usagef("--%s: %q: want a network such as 10.0.0.0/24", flag, text)
		}
		all = append(all, p.Masked())
	}
	return all, nil
}

func (a *app) trace(ctx context.Context, q *traceQuery) error {
	client, err := a.open(ctx)
	if err != nil {
		return err
	}
	snapshot, err := a.everything(ctx, client)
	if err == nil {
		q.policy.Pools, err = a.trust(ctx, client)
	}
	if err = errors.Join(err, client.Close()); err != nil {
		return err
	}
	if err := q.meet(snapshot); err != nil {
		return err
	}
	t := tracer{traceQuery: q, snapshot: snapshot, rules: rules.Compile(snapshot, q.policy)}
	if err := t.trace(); err != nil {
		return err
	}
	_, err = a.stdout.Write([]byte(t.text.String()))
	return err
}

// everything reads what rules are made of, and more kinds. What can't be read is
// reported.
func (a *app) everything(ctx context.Context, r *registryClient, more ...registry.Kind) (*registry.Snapshot, error) {
	kinds := []registry.Kind{registry.KindService, registry.KindEndpoints, registry.KindEndpointSlice, registry.KindNode, registry.KindServiceCIDR}
	var dirs []string
	for _, kind := range append(kinds, more...) {
		dirs = append(dirs, r.layout.Dir(kind))
	}
	return a.snapshot(ctx, r, dirs)
}

// meet fills in the node that the packet meets: the one that was named, or the
// one whose address the packet is for.
func (q *traceQuery) meet(s *registry.Snapshot) error {
	for node := range s.Nodes() {
		for _, ip := range node.IPs {
			if q.node == "" && q.target.addr.IsValid() && ip.Unmap() == q.target.addr {
				q.node = node.Name
			}
		}
	}
	q.node = strings.ToLower(q.node)
	q.policy.NodeName = q.node
	if node := s.Node(q.policy.NodeName); node != nil {
		q.policy.Zone = node.Zone
		for _, ip := range node.IPs {
			q.policy.NodeAddrs = append(q.policy.NodeAddrs, ip.Unmap())
		}
		return nil
	}
	if q.node != "" && s.Count(registry.KindNode) > 0 {
		return fmt.Errorf("%v: not found", registry.Ref{Kind: registry.KindNode, Key: registry.Key{Name: q.node}})
	}
	return nil
}
