package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/envvars"
	"github.com/svcreg/svcreg/registry"
)

// environment is what env was asked for.
type environment struct {
	namespace string
	format    string
	services  []string
	wait      time.Duration
}

// forEver is how long to wait where there is no end to it.
const forEver = time.Duration(-1)

func (a *app) envCommand() *cobra.Command {
	var e environment
	var known []string
	for _, f := range envvars.Formats() {
		known = append(known, string(f))
	}
	command := &cobra.Command{
		Use:   "env -n NAMESPACE",
		Short: "Print a namespace's services as environment variables",
		Long: `Print the environment variables that a kubelet would give to the pods of a
namespace: NAME_SERVICE_HOST and the rest, for every service with a portal IP.`,
		Example: "  eval \"$(svcctl env -n my-ns -o export --service redis-master --wait 30s)\"\n  docker run --env-file <(svcctl env -n my-ns) …",
		Args:    noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if !slices.Contains(known, e.format) {
				return usagef("-o %q: want one of %s", e.format, strings.Join(known, ", "))
			}
			if e.wait > 0 && len(e.services) == 0 {
				return usagef("--wait: want the --service to wait for")
			}
			if err := checkName("namespace", e.namespace); err != nil {
				return err
			}
			return a.env(command.Context(), &e)
		},
	}
	flags := command.Flags()
	flags.StringVarP(&e.namespace, "namespace", "n", "default", "`NAMESPACE` in which the variables are for")
	flags.StringVarP(&e.format, "output", "o", "dotenv", "`FORMAT`: "+strings.Join(known, ", "))
	flags.StringSliceVar(&e.services, "service", nil, "only the service of that `NAME`, which has to be there; may be repeated")
	flags.DurationVar(&e.wait, "wait", 0, "how long to wait for those services")
	return command
}

func (a *app) env(ctx context.Context, e *environment) error {
	registry, err := a.open(ctx)
	if err != nil {
		return err
	}
	snapshot, err := a.awaited(ctx, registry, e)
	if err != nil {
		return errors.Join(err, registry.Close())
	}
	text, err := envvars.Encode(envvars.Format(e.format), envvars.Of(snapshot, e.namespace, e.services...))
	if err == nil {
		_, err = a.stdout.Write(text)
	}
	return errors.Join(err, registry.Close())
}

// awaited returns the services that the namespace sees, once it sees those it
// asks for.
func (a *app) awaited(ctx context.Context, r *registryClient, e *environment) (*registry.Snapshot, error) {
	waiting, cancel := ctx, context.CancelFunc(func() {})
	if e.wait != forEver {
		waiting, cancel = context.WithTimeout(ctx, e.wait)
	}
	defer cancel()
	for {
		snapshot, err := a.visible(ctx, r, e.namespace)
		if err != nil {
			return nil, err
		}
		missing := e.missing(snapshot)
		if len(missing) == 0 {
			return snapshot, nil
		}
		oneIsEnough := func(*clientv3.Event) (bool, error) { return false, nil }
		err = r.follow(waiting, r.layout.Dir(registry.KindService), snapshot.Revision()+1, oneIsEnough)
		if err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				return nil, fmt.Errorf("no service with a portal IP in namespace %s%s: %s", e.namespace, e.waited(), strings.Join(missing, ", "))
			}
			return nil, err
		}
	}
}

// waited says for how long.
func (e *environment) waited() string {
	if e.wait <= 0 {
		return ""
	}
	return " within " + e.wait.String()
}

// missing returns which of the asked services have no variables.
func (e *environment) missing(s *registry.Snapshot) []string {
	var missing []string
	for _, name := range e.services {
		if len(envvars.Services(s, e.namespace, name)) == 0 {
			missing = append(missing, name)
		}
	}
	return missing
}

// visible reads the services that a namespace can see. Those that can't be
// read are reported.
func (a *app) visible(ctx context.Context, r *registryClient, namespace string) (*registry.Snapshot, error) {
	var dirs []string
	for _, ns := range slices.Compact([]string{envvars.MasterNamespace, namespace}) {
		dirs = append(dirs, place(r.layout, registry.KindService, ns))
	}
	return a.snapshot(ctx, r, dirs)
}
