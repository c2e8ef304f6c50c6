package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"github.com/svcreg/svcreg/registry/write"
)

func (a *app) initCommand() *cobra.Command {
	var networks []string
	var nodePorts string
	var options write.Options
	command := &cobra.Command{
		Use:   "init --portal-net CIDR",
		Short: "Prepare a registry: say from which networks portal IPs are taken",
		Long: `Prepare a registry: say from which networks portal IPs are taken, at most one of
each family, and mark the registry as svcreg's own. Services that don't ask for
a family get an address of the first. To do it again changes nothing, but that
with --node-ports the services of type NodePort take their ports from another
range from then on.`,
		Example: "  svcctl init --portal-net 10.0.0.0/24\n  svcctl init --portal-net 10.0.0.0/16 --portal-net fd00:10::/112 --node-ports 20000-22767",
		Args:    noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			prefixes, err := portalNetworks(networks)
			if err != nil {
				return err
			}
			var ports *write.PortRange
			if command.Flags().Changed("node-ports") {
				r, err := write.ParsePortRange(nodePorts)
				if err != nil {
					return usagef("--node-ports: %w", err)
				}
				ports = &r
			}
			return a.init(command.Context(), prefixes, ports, options)
		},
	}
	command.Flags().StringSliceVar(&networks, "portal-net", nil, "`CIDR` of a portal network; may be repeated")
	command.Flags().StringVar(&nodePorts, "node-ports", "", "`RANGE` of node ports, such as 20000-22767 (default "+write.DefaultNodePorts.String()+")")
	overrideFlag(command.Flags(), &options)
	return command
}

func portalNetworks(texts []string) ([]netip.Prefix, error) {
	if len(texts) == 0 {
		return nil, usagef("want --portal-net CIDR, such as 10.0.0.0/24")
	}
	var networks []netip.Prefix
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, usagef("--portal-net: %q: want a network such as 10.0.0.0/24", text)
		}
		networks = append(networks, network)
	}
	if err := write.CheckNetworks(networks...); err != nil {
		return nil, usagef("--portal-net: %w", err)
	}
	return networks, nil
}

func (a *app) init(ctx context.Context, networks []netip.Prefix, ports *write.PortRange, options write.Options) error {
	registry, err := a.open(ctx)
	if err != nil {
		return err
	}
	within, cancel := registry.within(ctx)
	defer cancel()
	writer := write.New(registry.Client, registry.layout, options)
	var texts []string
	for _, n := range networks {
		texts = append(texts, n.String())
	}
	said := "portal IPs from " + strings.Join(texts, " and ")
	err = writer.Init(within, networks...)
	if err == nil && ports != nil {
		said += ", node ports from " + ports.String()
		err = writer.SetNodePorts(within, *ports)
	}
	if err == nil {
		_, err = fmt.Fprintf(a.stdout, "registry %s takes %s\n", registry.layout.Prefix(), said)
	}
	return errors.Join(err, registry.Close())
}
