package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
)

// query is what get was asked for.
type query struct {
	resource  resource
	names     []string
	namespace string // empty for all
	all       bool
	format    string
	watch     bool
}

// errReported says that something failed of which stderr has the details
// already.
var errReported = errors.New("not all could be read")

func (a *app) getCommand() *cobra.Command {
	var q query
	command := &cobra.Command{
		Use:   "get KIND [NAME...]",
		Short: "Show objects",
		Long: `Show objects as a table or in the form they are stored in. KIND is one of
services (svc), endpoints (ep), endpointslices, pods (po), nodes (no, minions),
namespaces (ns), servicecidrs and ipaddresses (ip).`,
		Example: "  svcctl get services -A\n  svcctl get svc my-service -n my-ns -o yaml\n  svcctl get endpoints -n my-ns -w",
		RunE: func(command *cobra.Command, args []string) error {
			if err := q.parse(args); err != nil {
				return err
			}
			return a.get(command.Context(), &q)
		},
	}
	flags := command.Flags()
	flags.StringVarP(&q.namespace, "namespace", "n", "default", "`NAMESPACE` of the objects")
	flags.BoolVarP(&q.all, "all-namespaces", "A", false, "objects of all namespaces")
	flags.StringVarP(&q.format, "output", "o", "table", "`FORMAT`: "+strings.Join(formats, ", "))
	flags.BoolVarP(&q.watch, "watch", "w", false, "go on showing what changes")
	return command
}

func (q *query) parse(args []string) (err error) {
	if len(args) == 0 {
		return usagef("want a kind, such as services")
	}
	if q.resource, err = findResource(args[0]); err != nil {
		return err
	}
	if !slices.Contains(formats, q.format) {
		return usagef("-o %q: want one of %s", q.format, strings.Join(formats, ", "))
	}
	if q.names = args[1:]; q.all && len(q.names) > 0 {
		return usagef("want names or -A, not both")
	}
	for _, name := range q.names {
		if err := checkName(singular(q.resource.kind), name); err != nil {
			return err
		}
	}
	if q.all {
		q.namespace = ""
		return nil
	}
	return checkName("namespace", q.namespace)
}

// refs returns the objects that are asked for by name.
func (q *query) refs() []registry.Ref {
	var refs []registry.Ref
	for _, name := range q.names {
		refs = append(refs, q.resource.refOf(q.namespace, name))
	}
	return refs
}

// get shows what the query asks for. What can't be read is reported on stderr,
// and the rest is shown all the same.
func (a *app) get(ctx context.Context, q *query) error {
	registry, err := a.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(a.show(ctx, registry, q), registry.Close())
}

func (a *app) show(ctx context.Context, registry *registryClient, q *query) error {
	var found *listing
	var err error
	if len(q.names) > 0 {
		found, err = registry.find(ctx, q.refs())
	} else {
		found, err = registry.list(ctx, place(registry.layout, q.resource.kind, q.namespace))
	}
	if err != nil {
		return err
	}
	out := newOutput(a.stdout, q)
	for _, it := range found.items {
		if err := out.add(added, it); err != nil {
			return err
		}
	}
	if err := out.flush(); err != nil {
		return err
	}
	for _, failure := range found.failures {
		a.report(failure)
	}
	switch {
	case q.watch:
		return a.watch(ctx, registry, q, found.revision+1, out)
	case len(found.failures) > 0:
		return errReported
	case len(found.items) == 0 && q.format != "json" && q.format != "yaml":
		_, err = fmt.Fprintln(a.stderr, "No "+q.resource.plural+" found"+q.where()+".")
	}
	return err
}

// where says in which namespace nothing was found.
func (q *query) where() string {
	if q.all || !codec.Namespaced(q.resource.kind) {
		return ""
	}
	return " in namespace " + q.namespace
}
