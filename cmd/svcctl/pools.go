package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/svcreg/svcreg/proxyd/loadbalancer/pool"
	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// poolsChange is what the flags of pools apply and pools delete say.
type poolsChange struct {
	files         []string
	force         bool
	ignoreMissing bool
	options       write.Options
}

func (a *app) poolsCommand() *cobra.Command {
	command := &cobra.Command{
		Use:   "pools",
		Short: "Say which addresses load balancers get",
		Long: `Say which addresses load balancers get: those of pools. Services that ask for a
load balancer (createExternalLoadBalancer: true, type: LoadBalancer) are given
them by proxyd, with loadbalancer among its --controllers.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("want one of list, get, apply, delete")
			}
			return usagef("unknown command %q: want one of list, get, apply, delete", args[0])
		},
	}
	command.AddCommand(a.poolsListCommand(), a.poolsGetCommand(), a.poolsApplyCommand(), a.poolsDeleteCommand())
	return command
}

func (a *app) poolsListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "Show all pools, and how many of their addresses are held",
		Args:  noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return a.withPools(command.Context(), func(_ context.Context, _ *pool.Store, b *pool.Book) error {
				return a.listPools(b)
			})
		},
	}
}

func (a *app) poolsGetCommand() *cobra.Command {
	var format string
	command := &cobra.Command{
		Use:     "get NAME...",
		Short:   "Show pools in the form that apply reads",
		Example: "  svcctl pools get public -o yaml",
		RunE: func(command *cobra.Command, args []string) error {
			if err := poolNames(args); err != nil {
				return err
			}
			if format != "json" && format != "yaml" {
				return usagef("-o %q: want json or yaml", format)
			}
			return a.withPools(command.Context(), func(_ context.Context, _ *pool.Store, b *pool.Book) error {
				return a.printPools(b, args, format)
			})
		},
	}
	command.Flags().StringVarP(&format, "output", "o", "yaml", "`FORMAT`: json or yaml")
	return command
}

func (a *app) poolsApplyCommand() *cobra.Command {
	var c poolsChange
	command := &cobra.Command{
		Use:   "apply -f FILE|-",
		Short: "Create or change pools",
		Long: `Create or change the pools of JSON or YAML files, such as

  kind: AddressPool
  apiVersion: svcreg.io/v1
  metadata: {name: public}
  spec:
    addresses: [203.0.113.0/28, 203.0.113.40-203.0.113.49, "2001:db8::100/120"]
    namespaces: [shop, blog]   # whose services get them; none means all
    avoidBuggyIPs: true        # none that end in .0 or .255
    autoAssign: false          # only for services that ask for one of them
    priority: 10               # the highest is used first; 0 if none is written

All are read and checked before anything is written. A pool may share no address
with another, nor with the portal networks.`,
		Args: noArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			if len(c.files) == 0 {
				return usagef("want -f FILE")
			}
			pools, err := a.readPools(c.files)
			if err != nil {
				return err
			}
			return a.applyPools(command.Context(), &c, pools)
		},
	}
	filesFlag(command, &c.files)
	c.addFlags(command)
	return command
}

func (a *app) poolsDeleteCommand() *cobra.Command {
	var c poolsChange
	command := &cobra.Command{
		Use:     "delete NAME...",
		Short:   "Delete pools of which no service has an address",
		Example: "  svcctl pools delete public",
		RunE: func(command *cobra.Command, args []string) error {
			if err := poolNames(args); err != nil {
				return err
			}
			return a.deletePools(command.Context(), &c, args)
		},
	}
	command.Flags().BoolVar(&c.ignoreMissing, "ignore-not-found", false, "succeed for what isn't there")
	c.addFlags(command)
	return command
}

func (c *poolsChange) addFlags(command *cobra.Command) {
	command.Flags().BoolVar(&c.force, "force", false, "even if services lose their addresses: they get others if there are any")
	overrideFlag(command.Flags(), &c.options)
}

func poolNames(names []string) error {
	if len(names) == 0 {
		return usagef("want the name of a pool")
	}
	for _, name := range names {
		if err := checkName("pool", name); err != nil {
			return err
		}
	}
	return nil
}

// withPools reads all pools and claims, and does something with them.
func (a *app) withPools(ctx context.Context, do func(context.Context, *pool.Store, *pool.Book) error) error {
	return a.changePools(ctx, &poolsChange{}, func(ctx context.Context, s *pool.Store) error {
		logger := slog.New(slog.NewTextHandler(a.stderr, nil))
		b, _, err := pool.List(ctx, s.Client, s.Layout, logger)
		if err != nil {
			return err
		}
		return do(ctx, s, b)
	})
}

// trust returns what the pools have to say to whoever makes rules.
func (a *app) trust(ctx context.Context, r *registryClient) (rules.Pools, error) {
	ctx, cancel := r.within(ctx)
	defer cancel()
	b, _, err := pool.List(ctx, r.Client, r.layout, slog.New(slog.NewTextHandler(a.stderr, nil)))
	if err != nil {
		return rules.Pools{}, err
	}
	return b.Trust(), nil
}

func (a *app) changePools(ctx context.Context, c *poolsChange, do func(context.Context, *pool.Store) error) error {
	registry, err := a.open(ctx)
	if err != nil {
		return err
	}
	within, cancel := registry.within(ctx)
	defer cancel()
	writer := write.New(registry.Client, registry.layout, c.options)
	err = do(within, &pool.Store{Client: registry.Client, Layout: registry.layout, Writer: writer, Force: c.force})
	return errors.Join(err, registry.Close())
}

// listPools prints a table.
func (a *app) listPools(b *pool.Book) error {
	pools, used := b.Pools(), b.Used()
	if len(pools) == 0 {
		_, err := fmt.Fprintln(a.stderr, "No pools found.")
		return err
	}
	t := &table{w: a.stdout, rows: [][]string{{"NAME", "ADDRESSES", "HELD", "NAMESPACES", "AUTO-ASSIGN", "PRIORITY"}}}
	for _, p := range pools {
		var ranges []string
		for _, r := range p.Ranges {
			ranges = append(ranges, r.String())
		}
		namespaces := "<all>"
		if len(p.Namespaces) > 0 {
			namespaces = strings.Join(p.Namespaces, ",")
		}
		held := fmt.Sprintf("%d of %.0f", used[p.Name], p.Size(true)+p.Size(false))
		t.rows = append(t.rows, []string{
			p.Name, strings.Join(ranges, ","), held, namespaces, strconv.FormatBool(!p.Manual), strconv.Itoa(p.Priority),
		})
	}
	t.widen()
	return t.flush()
}

// printPools prints pools as apply reads them.
func (a *app) printPools(b *pool.Book, names []string, format string) error {
	var errs []error
	printed := false
	for _, name := range names {
		p := b.Pool(name)
		if p == nil {
			errs = append(errs, fmt.Errorf("pool %s: not found", name))
			continue
		}
		text, err := p.Encode()
		if err == nil && format == "yaml" {
			text, err = yaml.JSONToYAML(text)
		} else if err == nil {
			text = append(text, '\n')
		}
		if err == nil && printed && format == "yaml" {
			text = append([]byte("---\n"), text...)
		}
		if err == nil {
			_, err = a.stdout.Write(text)
		}
		printed, errs = true, append(errs, err)
	}
	return errors.Join(errs...)
}

// writtenPool is a pool and the file that it is from.
type writtenPool struct {
	*pool.Pool
	file string
}

// readPools reads and checks the pools of all files. There are none if anything
// is wrong.
func (a *app) readPools(files []string) ([]writtenPool, error) {
	var all []writtenPool
	var errs []error
	for _, name := range files {
		file, data, err := a.readWhole(name)
		var pools []*pool.Pool
		if err == nil {
			pools, err = pool.Parse(file, data)
		}
		for _, p := range pools {
			if slices.ContainsFunc(all, func(other writtenPool) bool { return other.Name == p.Name }) {
				err = fmt.Errorf("%s: AddressPool %s: want it once, it stands in another file, too", file, p.Name)
			}
			all = append(all, writtenPool{p, file})
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return all, nil
}

// readWhole reads a file or standard input, but no more than codec takes, and
// returns what to call it, too.
func (a *app) readWhole(name string) (file string, data []byte, err error) {
	if name == "-" {
		data, err = io.ReadAll(io.LimitReader(a.stdin, codec.MaxFileSize+1))
		return "standard input", data, err
	}
	f, err := os.Open(name) //nolint:gosec // to open what the user names is the purpose
	if err != nil {
		return name, nil, err
	}
	data, err = io.ReadAll(io.LimitReader(f, codec.MaxFileSize+1))
	return name, data, errors.Join(err, f.Close())
}

func (a *app) applyPools(ctx context.Context, c *poolsChange, pools []writtenPool) error {
	return a.changePools(ctx, c, func(ctx context.Context, s *pool.Store) error {
		var errs []error
		for _, p := range pools {
			outcome, err := s.Apply(ctx, p.Pool)
			if err == nil {
				_, err = fmt.Fprintf(a.stdout, "pool/%s %s\n", p.Name, outcome)
			} else {
				err = fmt.Errorf("%s: %w", p.file, err)
			}
			if errs = append(errs, err); hopeless(err) {
				break
			}
		}
		return errors.Join(errs...)
	})
}

func (a *app) deletePools(ctx context.Context, c *poolsChange, names []string) error {
	return a.changePools(ctx, c, func(ctx context.Context, s *pool.Store) error {
		var errs []error
		for _, name := range names {
			err := s.Delete(ctx, name)
			switch {
			case err == nil:
				_, err = fmt.Fprintf(a.stdout, "pool/%s deleted\n", name)
			case c.ignoreMissing && errors.Is(err, write.ErrNotFound):
				err = nil
			}
			if errs = append(errs, err); hopeless(err) {
				break
			}
		}
		return errors.Join(errs...)
	})
}
