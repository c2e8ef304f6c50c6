package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/svcreg/svcreg/envvars"
)

// surroundings are what a command that svcctl starts sees of the registry.
type surroundings struct {
	namespace string
	services  []string // whose variables it gets; empty means all
	waitFor   []string
	timeout   time.Duration // of waiting; zero means for ever
}

func (s *surroundings) addFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&s.namespace, "namespace", "n", "default", "`NAMESPACE` that the command lives in")
	flags.StringSliceVar(&s.services, "service", nil, "variables of the service of that `NAME` only, which has to be there; may be repeated")
	flags.StringSliceVar(&s.waitFor, "wait-for", nil, "wait until there is a service of that `NAME`; may be repeated")
	flags.DurationVar(&s.timeout, "wait-timeout", 0, "how long to wait for those services (default for ever)")
}

func (s *surroundings) check() error {
	if s.timeout != 0 && len(s.waitFor) == 0 {
		return usagef("--wait-timeout: want the --wait-for to wait for")
	}
	if s.timeout < 0 {
		return usagef("--wait-timeout %s: want a duration that is not negative", s.timeout)
	}
	return checkName("namespace", s.namespace)
}

func (a *app) execCommand() *cobra.Command {
	var s surroundings
	command := &cobra.Command{
		Use:   "exec -n NAMESPACE -- COMMAND [ARG]...",
		Short: "Run a command with a namespace's services in its environment",
		Long: `Become a command that has the environment variables which "svcctl env" prints,
beside those that there are. Its exit code is the command's. ETCDCTL_USER and
ETCDCTL_PASSWORD are kept from it.

A process gets no more variables than fit: a few thousand services don't. Name
those that it needs with --service then.`,
		Example: "  svcctl exec -n my-ns --wait-for redis-master -- ./frontend",
		RunE: func(command *cobra.Command, args []string) error {
			words, err := commandLine(command, args)
			if err != nil {
				return err
			}
			if err := s.check(); err != nil {
				return err
			}
			return a.exec(command.Context(), &s, words)
		},
	}
	s.addFlags(command.Flags())
	return command
}

// commandLine returns the command that stands after the two dashes.
func commandLine(command *cobra.Command, args []string) ([]string, error) {
	if n := command.ArgsLenAtDash(); n > 0 || n < 0 && len(args) > 0 {
		return nil, usagef("unexpected argument %q: want -- before the command", args[0])
	}
	if len(args) == 0 {
		return nil, usagef("want -- COMMAND")
	}
	return args, nil
}

func (a *app) exec(ctx context.Context, s *surroundings, words []string) error {
	path, err := exec.LookPath(words[0])
	if err != nil {
		return err
	}
	registry, err := a.open(ctx)
	if err != nil {
		return err
	}
	environ, err := a.environ(ctx, registry, s)
	if err := errors.Join(err, registry.Close()); err != nil {
		return err
	}
	if err := syscall.Exec(path, words, environ); err != nil { //nolint:gosec // to run what the user names is the purpose
		return startError(path, err)
	}
	return nil
}

// startError says why a command couldn't be started.
func startError(path string, err error) error {
	if errors.Is(err, syscall.E2BIG) {
		return fmt.Errorf("start %s: the services have more variables than fit: name those that it needs with --service", path)
	}
	return fmt.Errorf("start %s: %w", path, err)
}

// environ returns the environment of a command: this process's, and the
// services' variables, which come first where both have one.
func (a *app) environ(ctx context.Context, r *registryClient, s *surroundings) ([]string, error) {
	e := &environment{namespace: s.namespace, services: slices.Concat(s.services, s.waitFor), wait: s.timeout}
	if len(s.waitFor) > 0 && s.timeout == 0 {
		e.wait = forEver
	}
	snapshot, err := a.awaited(ctx, r, e)
	if err != nil {
		return nil, err
	}
	return merge(os.Environ(), envvars.Of(snapshot, s.namespace, s.services...)), nil
}

// secrets are the variables that are for svcctl alone.
var secrets = []string{"ETCDCTL_USER", "ETCDCTL_PASSWORD"}

// merge adds variables to an environment.
func merge(environ []string, vars []envvars.Var) []string {
	hidden := map[string]bool{}
	for _, name := range secrets {
		hidden[name] = true
	}
	for _, v := range vars {
		hidden[v.Name] = true
	}
	merged := slices.DeleteFunc(slices.Clone(environ), func(assignment string) bool {
		name, _, _ := strings.Cut(assignment, "=")
		return hidden[name]
	})
	for _, v := range vars {
		merged = append(merged, v.Name+"="+v.Value)
	}
	return merged
}
