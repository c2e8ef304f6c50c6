// Command svcreg-standalone runs all of svcreg in one process on one machine:
// etcd (embedded), DNS and proxyd.
//
// As root and without further words it shows what svcreg does, inside network
// namespaces of its own (a node and a pod), and touches nothing else of the
// machine. With --network=host it serves the machine itself.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/svcreg/svcreg/cmd/internal/manual"
)

// version is set by the build.
var version = "unknown"

// errUsage marks what is wrong with the command line.
var errUsage = errors.New("usage")

func main() {
	// Children die with the thread that started them: keep to one that lasts.
	runtime.LockOSThread()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "svcreg-standalone:", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "svcreg-standalone:", err)
		os.Exit(1)
	}
}

// command returns the command line. The hidden subcommands are the processes
// that hold the private network's hosts.
func command() *cobra.Command {
	cfg := defaults()
	root := &cobra.Command{
		Use:   "svcreg-standalone",
		Short: "etcd, DNS and proxyd in one process",
		Long: `svcreg-standalone runs etcd, DNS and proxyd in one process. The API of proxyd,
for kubectl and for the proxy path to services, is at --api-listen.

As root it works inside network namespaces of its own, a node and a pod, and
leaves the machine's firewall and resolver alone. It prints what to try, and
ends with Ctrl-C; nothing of it is left then. With --network=host it serves
this machine itself; keep the registry then with --data-dir.

Without root it runs on this machine's network with --proxy-mode=none: names
resolve, portal IPs lead nowhere.`,
		Args:              usageArgs,
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: true},
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), cfg, cmd.Flags())
		},
	}
	cfg.bind(root.PersistentFlags())
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return fmt.Errorf("%w: %w", errUsage, err)
	})
	root.AddCommand(
		&cobra.Command{Use: nodeStage, Hidden: true, Args: usageArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			return runNode(cmd.Context(), cfg)
		}},
		&cobra.Command{Use: podStage, Hidden: true, Args: usageArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			return runPod(cmd.Context(), cfg, os.Stdin, os.Stdout)
		}},
		&cobra.Command{Use: "version", Short: "print the version", Args: usageArgs, Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), "svcreg-standalone", version)
		}},
		manual.Command(8, version, "coredns-svcreg(7)", "proxyd(8)", "svcctl(1)"),
	)
	return root
}

// usageArgs refuses arguments that are not flags.
func usageArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%w: %q: want only flags; see --help", errUsage, args[0])
	}
	return nil
}
