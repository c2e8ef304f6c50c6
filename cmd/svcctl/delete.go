package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/write"
)

// deletion is what the flags of delete say.
type deletion struct {
	files         []string
	namespace     string
	ignoreMissing bool
	options       write.Options
}

func (a *app) deleteCommand() *cobra.Command {
	var d deletion
	command := &cobra.Command{
		Use:   "delete (KIND NAME... | KIND/[NAMESPACE/]NAME... | -f FILE|DIR|-)",
		Short: "Delete objects",
		Long: `Delete objects by their names, or those that files describe. With a service
its portal IP is free again.`,
		Example: "  svcctl delete service my-service -n my-ns\n  svcctl delete service/my-ns/my-service\n  svcctl delete -f my-service.json",
		RunE: func(command *cobra.Command, args []string) error {
			refs, err := a.named(&d, args)
			if err != nil {
				return err
			}
			return a.delete(command.Context(), &d, refs)
		},
	}
	filesFlag(command, &d.files)
	command.Flags().StringVarP(&d.namespace, "namespace", "n", "", "`NAMESPACE` of objects that name none (default \"default\")")
	command.Flags().BoolVar(&d.ignoreMissing, "ignore-not-found", false, "succeed for what isn't there")
	overrideFlag(command.Flags(), &d.options)
	return command
}

// named returns the objects that a command line names.
func (a *app) named(d *deletion, args []string) ([]registry.Ref, error) {
	switch {
	case len(d.files) > 0 && len(args) > 0:
		return nil, usagef("want names or -f, not both")
	case len(d.files) > 0:
		documents, err := a.documents(d.files, d.namespace)
		var refs []registry.Ref
		for _, document := range documents {
			refs = append(refs, document.Ref())
		}
		return refs, err
	case len(args) == 0:
		return nil, usagef("want KIND NAME or -f FILE")
	case strings.Contains(args[0], "/"):
		return handles(args, d.namespace)
	case len(args) == 1:
		return nil, usagef("want the name of a %s", args[0])
	}
	kind, err := findResource(args[0])
	var refs []registry.Ref
	for _, name := range args[1:] {
		err = errors.Join(err, checkName(singular(kind.kind), name))
		refs = append(refs, kind.refOf(orDefault(d.namespace), name))
	}
	return refs, err
}

// handles reads objects as every command prints them.
func handles(args []string, namespace string) ([]registry.Ref, error) {
	var refs []registry.Ref
	for _, arg := range args {
		kindName, name, _ := strings.Cut(arg, "/")
		kind, err := findResource(kindName)
		if err != nil {
			return nil, err
		}
		in := orDefault(namespace)
		if before, after, ok := strings.Cut(name, "/"); ok {
			in, name = before, after
		}
		if err := errors.Join(checkName("namespace", in), checkName(kindName, name)); err != nil {
			return nil, err
		}
		refs = append(refs, kind.refOf(in, name))
	}
	return refs, nil
}

func orDefault(namespace string) string {
	if namespace == "" {
		return "default"
	}
	return namespace
}

func (a *app) delete(ctx context.Context, d *deletion, refs []registry.Ref) error {
	registry, err := a.open(ctx)
	if err != nil {
		return err
	}
	writer := write.New(registry.Client, registry.layout, d.options)
	var errs []error
	for _, ref := range refs {
		err := deleteOne(ctx, registry, writer, ref)
		switch {
		case err == nil:
			_, err = fmt.Fprintf(a.stdout, "%s deleted\n", handle(ref))
		case d.ignoreMissing && errors.Is(err, write.ErrNotFound):
			err = nil
		}
		if errs = append(errs, err); hopeless(err) {
			break
		}
	}
	return errors.Join(append(errs, registry.Close())...)
}

func deleteOne(ctx context.Context, registry *registryClient, writer *write.Writer, ref registry.Ref) error {
	ctx, cancel := registry.within(ctx)
	defer cancel()
	return writer.Delete(ctx, ref)
}
