package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/svcreg/svcreg/cmd/internal/manual"
)

// The exit codes, on which scripts rely.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// app is what all commands share: the process's surroundings and the flags of
// every command.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	connection     connection
}

// run is the whole program but for the process around it. It returns the exit
// code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, getenv func(string) string) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, getenv: getenv}
	root := a.rootCommand()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	command, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitOK
	}
	if code, ok := exitCode(err); ok {
		return code
	}
	if !errors.Is(err, errReported) {
		a.report(err)
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		_, _ = fmt.Fprintf(stderr, "Run '%s --help' for usage.\n", command.CommandPath())
		return exitUsage
	}
	return exitFailed
}

// report writes an error to stderr, a line for each that was joined.
func (a *app) report(err error) {
	for line := range strings.SplitSeq(a.connection.explain(err).Error(), "\n") {
		_, _ = fmt.Fprintln(a.stderr, "svcctl: "+printable(line))
	}
}

func (a *app) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "svcctl",
		Short: "Write services to a registry in etcd, and see what is there",
		Long: `Write services to a registry in etcd, and see what is there.

The flags that say how to reach etcd are etcdctl's, and so are the variables
ETCDCTL_ENDPOINTS, ETCDCTL_USER and so on, which count where a flag is not given.
Exit codes: 0, 1 for what failed, 2 for a command line that is wrong.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("want a command")
			}
			return usagef("unknown command %q", args[0])
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	a.connection.addFlags(root.PersistentFlags())
	root.AddCommand(
		a.initCommand(), a.applyCommand(), a.getCommand(), a.describeCommand(), a.deleteCommand(),
		a.envCommand(), a.execCommand(), a.runCommand(), a.registerCommand(), a.deregisterCommand(), a.resolvConfCommand(), a.poolsCommand(), a.traceCommand(), a.validateCommand(), a.versionCommand(),
		manual.Command(1, version, "proxyd(8)", "coredns-svcreg(7)", "svcreg-standalone(8)"),
	)
	return root
}

// usageError says that the command line is wrong.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// noArgs refuses arguments.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q", args[0])
	}
	return nil
}
