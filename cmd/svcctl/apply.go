package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

func (a *app) applyCommand() *cobra.Command {
	var files []string
	var namespace string
	var options write.Options
	command := &cobra.Command{
		Use:   "apply -f FILE|DIR|-",
		Short: "Create or change objects",
		Long: `Create or change the objects of JSON or YAML files, of v1beta1 to v1, or of
files that hold one Kubernetes protobuf value. All are read and checked before
anything is written. Services get a portal IP if they want one.`,
		Example: "  svcctl apply -f my-service.json\n  svcctl apply -n my-ns -f services/",
		Args:    noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if len(files) == 0 {
				return usagef("want -f FILE")
			}
			documents, err := a.documents(files, namespace)
			if err != nil {
				return err
			}
			return a.apply(command.Context(), documents, options)
		},
	}
	filesFlag(command, &files)
	command.Flags().StringVarP(&namespace, "namespace", "n", "", "`NAMESPACE` of objects that name none (default \"default\")")
	overrideFlag(command.Flags(), &options)
	return command
}

// overrideFlag adds the flag that lets a command write where it should not.
func overrideFlag(flags *pflag.FlagSet, options *write.Options) {
	flags.BoolVar(&options.WriteToKubernetes, "write-to-kubernetes", false,
		"write even if the registry belongs to a live Kubernetes, behind its apiserver's back")
}

// apply writes documents one after the other. One that fails doesn't keep the
// rest from being written, unless they would fail likewise.
func (a *app) apply(ctx context.Context, documents []*codec.Document, options write.Options) error {
	registry, err := a.open(ctx)
	if err != nil {
		return err
	}
	writer := write.New(registry.Client, registry.layout, options)
	var errs []error
	for _, d := range inOrder(documents) {
		outcome, err := applyOne(ctx, registry, writer, d)
		if err == nil {
			_, err = fmt.Fprintf(a.stdout, "%s %s\n", handle(d.Ref()), outcome)
		} else {
			err = fmt.Errorf("%s: %w", d.File(), err)
		}
		if errs = append(errs, err); hopeless(err) {
			break
		}
	}
	return errors.Join(append(errs, registry.Close())...)
}

func applyOne(ctx context.Context, registry *registryClient, writer *write.Writer, d *codec.Document) (write.Outcome, error) {
	ctx, cancel := registry.within(ctx)
	defer cancel()
	return writer.Apply(ctx, d)
}

// hopeless reports whether an error will meet the next write, too.
func hopeless(err error) bool {
	return write.IsForeign(err) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// inOrder puts the services that name their portal IP or a node port first, so
// that none of the others is given it.
func inOrder(documents []*codec.Document) []*codec.Document {
	rank := func(d *codec.Document) int {
		object, err := d.Object()
		if service, ok := object.(*registry.Service); err == nil && ok && (len(service.PortalIPs) > 0 || namesNodePort(service)) {
			return 0
		}
		return 1
	}
	ordered := slices.Clone(documents)
	slices.SortStableFunc(ordered, func(a, b *codec.Document) int { return rank(a) - rank(b) })
	return ordered
}

func namesNodePort(s *registry.Service) bool {
	return s.HealthCheckNodePort != 0 || slices.ContainsFunc(s.Ports, func(p registry.Port) bool { return p.NodePort != 0 })
}
