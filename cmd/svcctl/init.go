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
	var options write.Options
	command := &cobra.Command{
		Use:   "init --portal-net CIDR",
		Short: "Prepare a registry: say from which networks portal IPs are taken",
		Long: `Prepare a registry: say from which networks portal IPs are taken, at most one of
each family, and mark the registry as svcreg's own. Services that don't ask for
a family get an address of the first. To do it again changes nothing.`,
		Example: "  svcctl init --portal-net 10.0.0.0/24\n  svcctl init --portal-net 10.0.0.0/16 --portal-net fd00:10::/112",
		Args:    noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			prefixes, err := portalNetworks(networks)
			if err != nil {
				return err
			}
			return a.init(command.Context(), prefixes, options)
		},
	}
	command.Flags().StringSliceVar(&networks, "portal-net", nil, "`CIDR` of a portal network; may be repeated")
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

func (a *app) init(ctx context.Context, networks []netip.Prefix, options write.Options) error {
	registry, err := a.open(ctx)
	if err != nil {
		return err
	}
	within, cancel := registry.within(ctx)
	defer cancel()
	err = write.New(registry.Client, registry.layout, options).Init(within, networks...)
	if err == nil {
		var texts []string
		for _, n := range networks {
			texts = append(texts, n.String())
		}
		_, err = fmt.Fprintf(a.stdout, "registry %s takes portal IPs from %s\n", registry.layout.Prefix(), strings.Join(texts, " and "))
	}
	return errors.Join(err, registry.Close())
}
