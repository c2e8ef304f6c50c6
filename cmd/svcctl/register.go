package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/write"
)

// entry is what svcctl register has to do.
type entry struct {
	workload
	serving
	keep bool
}

func (a *app) registerCommand() *cobra.Command {
	var e entry
	command := &cobra.Command{
		Use:   "register NAME -n NAMESPACE -l KEY=VALUE -p PORT [--keep]",
		Short: "Register a process that something else starts",
		Long: `Register a process as a pod, as "svcctl run" does, for those who start it
otherwise.

With --keep svcctl goes on running, and the record is under an etcd lease: it is
gone within --ttl when this host dies. --health says whether it is ready. On
SIGTERM or SIGINT svcctl deregisters it, waits for --drain, and exits: what stops
the process afterwards cuts nobody off. It tells systemd when it has registered
(Type=notify); the unit svcreg-register@.service is such a companion.

Without --keep the record says that the process is ready, and stays until
"svcctl deregister", whatever becomes of the process or the host.

A registry that belongs to a live Kubernetes is refused.`,
		Example: "  svcctl register web-1 -n my-ns -l app=web -p http:8080 --keep --health tcp",
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("want one NAME")
			}
			e.name = args[0]
			if err := errors.Join(checkName("namespace", e.namespace), checkName("pod", e.name)); err != nil {
				return err
			}
			for _, flag := range []string{"health", "health-interval", "ttl", "drain"} {
				if command.Flags().Changed(flag) && !e.keep {
					return usagef("--%s: want --keep, too", flag)
				}
			}
			if err := e.checkFlags(); err != nil {
				return err
			}
			return a.register(command.Context(), &e)
		},
	}
	flags := command.Flags()
	flags.StringVarP(&e.namespace, "namespace", "n", "default", "`NAMESPACE` that it serves in")
	flags.BoolVar(&e.keep, "keep", false, "go on running, and hold the record by a lease")
	e.workload.addFlags(flags)
	e.serving.addFlags(flags)
	return command
}

func (a *app) register(ctx context.Context, e *entry) error {
	registry, err := a.open(ctx)
	if err != nil {
		return err
	}
	n, h, err := a.prepare(ctx, registry, &e.workload, &e.serving, "register")
	switch {
	case err != nil:
	case e.keep:
		err = a.keepRegistered(ctx, n, h, e.drain)
	default:
		err = a.registerForGood(ctx, n)
	}
	return errors.Join(err, registry.Close())
}

// registerForGood writes a record that is under no lease.
func (a *app) registerForGood(ctx context.Context, n *registration) error {
	ctx, cancel := n.within(ctx)
	defer cancel()
	n.pod.Ready = true
	if err := n.put(ctx); err != nil {
		return err
	}
	_, err := fmt.Fprintf(a.stdout, "%s registered\n", whereabouts(n.pod))
	return err
}

func (a *app) deregisterCommand() *cobra.Command {
	var namespace string
	var ignoreMissing bool
	command := &cobra.Command{
		Use:   "deregister NAME -n NAMESPACE",
		Short: "Take away what register or run has registered",
		Long: `Take away the record of a process, so that it is no endpoint any more. A "svcctl
run" or "svcctl register --keep" that holds it goes on, and leaves it so.`,
		Example: "  svcctl deregister web-1 -n my-ns",
		RunE: func(command *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("want one NAME")
			}
			if err := errors.Join(checkName("namespace", namespace), checkName("pod", args[0])); err != nil {
				return err
			}
			return a.deregister(command.Context(), registry.Key{Namespace: namespace, Name: args[0]}, ignoreMissing)
		},
	}
	command.Flags().StringVarP(&namespace, "namespace", "n", "default", "`NAMESPACE` that it serves in")
	command.Flags().BoolVar(&ignoreMissing, "ignore-not-found", false, "succeed if it isn't there")
	return command
}

func (a *app) deregister(ctx context.Context, k registry.Key, ignoreMissing bool) error {
	r, err := a.open(ctx)
	if err != nil {
		return err
	}
	ref := registry.Ref{Kind: registry.KindPod, Key: k}
	switch err = deregisterOne(ctx, r, ref); {
	case err == nil:
		_, err = fmt.Fprintf(a.stdout, "%s deregistered\n", handle(ref))
	case ignoreMissing && errors.Is(err, write.ErrNotFound):
		err = nil
	}
	return errors.Join(err, r.Close())
}

func deregisterOne(ctx context.Context, r *registryClient, ref registry.Ref) error {
	ctx, cancel := r.within(ctx)
	defer cancel()
	n := &registration{
		registryClient: r, writer: write.New(r.Client, r.layout, write.Options{}), lease: clientv3.NoLease,
		pod: &registry.Pod{Meta: registry.Meta{Kind: ref.Kind, Key: ref.Key}},
	}
	had, revision, err := n.standing(ctx)
	if err != nil {
		return err
	}
	if had.Annotations[registeredAnnotation] == "" {
		return fmt.Errorf("%s: svcctl didn't register it: svcctl delete takes it away all the same", ref)
	}
	return unforced(n.writer.DeleteIf(ctx, ref, write.Condition{Revision: revision}))
}
