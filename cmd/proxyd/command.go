package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/svcreg/svcreg/cmd/internal/manual"
	"github.com/svcreg/svcreg/proxyd"
)

// The exit codes that scripts rely on.
const (
	exitFailed = 1
	exitUsage  = 2
)

// run runs the command line and returns its exit code.
func run(ctx context.Context, args []string, out, errOut io.Writer) int {
	cmd := newCommand(errOut)
	cmd.SetArgs(args)
	cmd.SetOut(out)
	cmd.SetErr(errOut)
	err := cmd.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	_, _ = fmt.Fprintln(errOut, "proxyd:", err) // nowhere left to say that it failed
	if isUsage(err) {
		return exitUsage
	}
	return exitFailed
}

// usageError is an error in how the command was called.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// isUsage tells what the caller wrote wrong from what went wrong. A setting
// that was right when it was validated is no usage error: its port is taken,
// its file can't be read.
func isUsage(err error) bool {
	return errors.As(err, new(usageError)) || errors.As(err, new(*proxyd.FileError))
}

// options are what the flags come to.
type options struct {
	config proxyd.Config
	file   string
	errOut io.Writer
}

func newCommand(errOut io.Writer) *cobra.Command {
	o := &options{config: proxyd.DefaultConfig(), errOut: errOut}
	cmd := &cobra.Command{
		Use:   "proxyd",
		Short: "Make the portal IPs and public addresses of services work on this node",
		Long: `Proxyd follows the service registry in etcd and programs this node's kernel so
that the portal IPs and public addresses of services lead to their endpoints.

When it stops, on SIGTERM or SIGINT, the rules stay in the kernel: connections
go on, and new ones are made, while it restarts. "proxyd cleanup" removes them.

Every flag can stand in the --config file too, without its dashes; a flag on
the command line wins.`,
		Args:          noArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.with(cmd, func(c proxyd.Config) error { return proxyd.Run(cmd.Context(), c) })
		},
	}
	cmd.CompletionOptions.DisableDefaultCmd = true
	cmd.SetFlagErrorFunc(flagError)
	o.addFlags(cmd)
	cmd.AddCommand(newCleanup(o), newRender(o), newVersion(),
		manual.Command(8, version, "svcctl(1)", "coredns-svcreg(7)", "svcreg-standalone(8)"))
	return cmd
}

// noArgs refuses arguments, and suggests nothing.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q; see %s --help", args[0], cmd.CommandPath())}
	}
	return nil
}

// flagError says what is wrong with a flag the way Validate does.
func flagError(_ *cobra.Command, err error) error {
	if invalid, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		err = &proxyd.SettingError{Setting: invalid.GetFlag().Name, Err: invalid.Unwrap()}
	}
	return usageError{err}
}

// addFlags gives the command, and those below it, a flag for each setting.
func (o *options) addFlags(cmd *cobra.Command) {
	flags := cmd.PersistentFlags()
	flags.SortFlags = false
	flags.StringVar(&o.file, "config", "", "YAML file of settings, named as the flags are")
	for _, s := range o.config.Settings() {
		f := flags.VarPF(s.Value, s.Name, "", s.Usage)
		if s.Value.Type() == "bool" {
			f.NoOptDefVal = "true"
		}
	}
}

// with calls a function with the configuration: the defaults, over them the
// file, over both the flags.
func (o *options) with(cmd *cobra.Command, use func(proxyd.Config) error) error {
	config := proxyd.DefaultConfig()
	settings := config.Settings()
	if o.file != "" {
		content, err := os.ReadFile(o.file)
		if err != nil {
			return usageError{fmt.Errorf("--config: %w", err)}
		}
		if err := proxyd.Load(settings, o.file, content); err != nil {
			return err
		}
	}
	for _, s := range settings {
		if f := cmd.Flag(s.Name); f != nil && f.Changed {
			if err := s.Value.Set(f.Value.String()); err != nil {
				return usageError{&proxyd.SettingError{Setting: s.Name, Err: err}}
			}
		}
	}
	if err := config.Validate(); err != nil {
		return usageError{err}
	}
	log := &bursts{to: o.errOut}
	defer log.Flush()
	config.Logger = newLogger(config.LogFormat, log)
	return use(config)
}

func newCleanup(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "cleanup",
		Short: "Remove everything that proxyd put into this node's kernel",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return o.with(cmd, func(c proxyd.Config) error { return proxyd.Cleanup(cmd.Context(), c) })
		},
	}
}

// renderTimeout is how long render waits for etcd.
const renderTimeout = 15 * time.Second

func newRender(o *options) *cobra.Command {
	var files []string
	cmd := &cobra.Command{
		Use:   "render",
		Short: "Print the rules that would be programmed, and touch nothing",
		Long: `Render prints what proxyd would give to iptables-restore on this node, or with
--proxy-mode=nftables to nft, from the registry in etcd, or from files of
services and endpoints in any form that the registry can hold. It changes
nothing and needs no privilege.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), renderTimeout)
			defer cancel()
			return o.with(cmd, func(c proxyd.Config) error { return proxyd.Render(ctx, cmd.OutOrStdout(), c, files...) })
		},
	}
	cmd.Flags().StringArrayVarP(&files, "filename", "f", nil, "`FILE` or directory of JSON, YAML or protobuf documents; may be repeated")
	return cmd
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "proxyd %s %s %s/%s\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
