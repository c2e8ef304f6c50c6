package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"
)

func (a *app) resolvConfCommand() *cobra.Command {
	var namespace, zone string
	var servers, searches []string
	command := &cobra.Command{
		Use:   "resolv-conf -n NAMESPACE",
		Short: "Print a resolv.conf for the processes of a namespace",
		Long: `Print a resolv.conf with which a process finds the services of its namespace by
their bare names, and those of others as NAME.NAMESPACE. It asks no etcd.`,
		Example: "  svcctl resolv-conf -n my-ns --nameserver 192.0.2.53 >/etc/netns/my-ns/resolv.conf",
		Args:    noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := checkName("namespace", namespace); err != nil {
				return err
			}
			for _, server := range servers {
				if _, err := netip.ParseAddr(server); err != nil {
					return usagef("--nameserver %q: want an IP address", server)
				}
			}
			if len(servers) > 3 {
				return usagef("--nameserver: want at most 3, which is what resolvers use")
			}
			_, err := fmt.Fprint(a.stdout, resolvConf(namespace, zone, servers, searches))
			return err
		},
	}
	flags := command.Flags()
	flags.StringVarP(&namespace, "namespace", "n", "default", "`NAMESPACE` that the processes live in")
	flags.StringVar(&zone, "zone", "cluster.local", "DNS `ZONE` of the registry's names; . for names that have none")
	flags.StringSliceVar(&servers, "nameserver", []string{"127.0.0.1"}, "`ADDRESS` of a DNS server that has the zone; may be repeated")
	flags.StringSliceVar(&searches, "search", nil, "another `DOMAIN` to look in, after the registry's; may be repeated")
	return command
}

// resolvConf returns the file (resolv.conf(5)). A name with fewer dots than
// ndots is looked for in the domains first: five are those of
// _port._proto.name.namespace.svc, as in Kubernetes.
func resolvConf(namespace, zone string, servers, searches []string) string {
	zone = strings.Trim(zone, ".")
	domains, dots := []string{namespace + ".svc." + zone, "svc." + zone, zone}, 5
	if zone == "" {
		domains, dots = []string{namespace}, 1
	}
	var b strings.Builder
	for _, server := range servers {
		b.WriteString("nameserver " + server + "\n")
	}
	b.WriteString("search " + strings.Join(append(domains, searches...), " ") + "\n")
	fmt.Fprintf(&b, "options ndots:%d\n", dots)
	return b.String()
}
