package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// serving is how a workload's registration is kept while it serves.
type serving struct {
	health               string
	interval, ttl, drain time.Duration
}

const (
	// defaultTTL is how long a record outlives a host's sudden death.
	defaultTTL = 10 * time.Second
	// leastTTL is the shortest TTL that leaves time to renew a lease.
	leastTTL = 2 * time.Second
	// defaultDrain is how long DNS answers that name the workload may live.
	defaultDrain = 5 * time.Second
)

func (s *serving) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&s.health, "health", "", "`CHECK` that says whether it is ready: tcp, tcp://:PORT or http://:PORT/PATH (default none: it is)")
	flags.DurationVar(&s.interval, "health-interval", 2*time.Second, "how often to check; three failures in a row make it not ready")
	flags.DurationVar(&s.ttl, "ttl", defaultTTL, "how long its record outlives a sudden death of this host")
	flags.DurationVar(&s.drain, "drain", defaultDrain, "how long to go on serving after it was deregistered, for clients that don't know yet")
}

func (s *serving) checkFlags() error {
	if s.ttl < leastTTL || s.ttl%time.Second != 0 {
		return usagef("--ttl %s: want whole seconds, at least %s", s.ttl, leastTTL)
	}
	if s.drain < 0 {
		return usagef("--drain %s: want a duration that is not negative", s.drain)
	}
	return nil
}

// job is what svcctl run has to do.
type job struct {
	surroundings
	workload
	serving
}

func (a *app) runCommand() *cobra.Command {
	var j job
	command := &cobra.Command{
		Use:   "run -n NAMESPACE -l KEY=VALUE -p PORT -- COMMAND [ARG]...",
		Short: "Run a command as an endpoint of the services that select it",
		Long: `Run a command, and register it as a pod, so that it is an endpoint of all
services of its namespace whose selectors match its labels. The controller
"endpoints" of some proxyd has to be on: --controllers=endpoints.

The record is under an etcd lease: it is gone within --ttl when this host dies,
and at once when the command ends. It says that the pod is ready once the
command was started, or with --health once and as long as that succeeds.

On SIGTERM or SIGINT the record is taken away first. The command gets the signal
after --drain; a second signal ends the waiting. Other signals are passed on at
once. svcctl exits with the command's exit code, or 128 and the number of the
signal that ended it. The command has the namespace's services in its
environment, as with "svcctl exec", and a process group of its own.

A registry that belongs to a live Kubernetes is refused.`,
		Example: "  svcctl run -n my-ns -l app=web -p http:8080 --health http://:8080/healthz -- ./web --listen :8080",
		RunE: func(command *cobra.Command, args []string) error {
			words, err := commandLine(command, args)
			if err == nil {
				err = j.check()
			}
			if err != nil {
				return err
			}
			return a.runJob(command.Context(), &j, words)
		},
	}
	flags := command.Flags()
	j.surroundings.addFlags(flags)
	j.workload.addFlags(flags)
	j.serving.addFlags(flags)
	flags.StringVar(&j.name, "name", "", "`NAME` of the record (default the node's, and something random)")
	return command
}

// check completes the job, and says what is wrong with its flags.
func (j *job) check() error {
	j.workload.namespace = j.surroundings.namespace
	if err := j.surroundings.check(); err != nil {
		return err
	}
	return j.checkFlags()
}

func (a *app) runJob(ctx context.Context, j *job, words []string) error {
	path, err := exec.LookPath(words[0])
	if err != nil {
		return err
	}
	registry, err := a.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(a.runOn(ctx, registry, j, path, words), registry.Close())
}

// runOn registers the command as not ready, so that nothing is started in vain,
// and starts it.
func (a *app) runOn(ctx context.Context, r *registryClient, j *job, path string, words []string) error {
	n, h, err := a.prepare(ctx, r, &j.workload, &j.serving, "run")
	if err != nil {
		return err
	}
	environ, err := a.environ(ctx, r, &j.surroundings)
	if err != nil {
		return err
	}
	signals := notify(ctx)
	defer signal.Stop(signals)
	if err := n.begin(ctx); err != nil {
		return err
	}
	p, err := startProcess(path, words, environ, a.stdin, a.stdout, a.stderr)
	if err != nil {
		n.end(ctx)
		return err
	}
	return supervise(context.WithoutCancel(ctx), n, h, p, signals, j.drain)
}

// prepare returns the registration of a workload, and what to check.
func (a *app) prepare(ctx context.Context, r *registryClient, w *workload, s *serving, by string) (*registration, *health, error) {
	pod, err := w.pod(ctx, a.connection.endpoints)
	if err != nil {
		return nil, nil, err
	}
	h, err := newHealth(s.health, s.interval, pod)
	if err != nil {
		return nil, nil, err
	}
	n, err := newRegistration(ctx, r, pod, by, a.report)
	if err == nil {
		n.ttl = s.ttl
	}
	return n, h, err
}

// notify returns the signals that are for the workload. One that came already
// has ended ctx.
func notify(ctx context.Context) chan os.Signal {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	if ctx.Err() != nil {
		signals <- syscall.SIGTERM
	}
	return signals
}

func stops(s os.Signal) bool { return s == syscall.SIGTERM || s == syscall.SIGINT }

// presence keeps a registration and a check going, until leave is called, which
// deregisters.
func presence(ctx context.Context, n *registration, h *health) (leave func()) {
	keeping, cancel := context.WithCancel(ctx)
	var tasks sync.WaitGroup
	ready := make(chan bool)
	tasks.Go(func() { n.keep(keeping, ready) })
	tasks.Go(func() { h.follow(keeping, ready) })
	return func() {
		cancel()
		tasks.Wait()
		n.end(ctx)
	}
}

// supervise passes signals on, and deregisters before the command is told to
// stop, or once it has ended.
func supervise(ctx context.Context, n *registration, h *health, p *process, signals <-chan os.Signal, drain time.Duration) error {
	leave := presence(ctx, n, h)
	for stopping := false; ; {
		select {
		case <-p.exited:
			if !stopping {
				leave()
			}
			return p.exit()
		case s := <-signals:
			if stops(s) && !stopping {
				stopping = true
				leave()
				linger(drain, p.exited, signals, p.signal)
			}
			p.signal(s)
		}
	}
}

// linger waits, unless the process ends or somebody is in a hurry. Other signals
// are passed on.
func linger(drain time.Duration, exited <-chan struct{}, signals <-chan os.Signal, pass func(os.Signal)) {
	timer := time.NewTimer(drain)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
			return
		case <-exited:
			return
		case s := <-signals:
			if stops(s) {
				return
			}
			pass(s)
		}
	}
}

// keepRegistered registers a workload that somebody else started, until a
// signal says that it is about to stop.
func (a *app) keepRegistered(ctx context.Context, n *registration, h *health, drain time.Duration) error {
	signals := notify(ctx)
	defer signal.Stop(signals)
	if err := n.begin(ctx); err != nil {
		return err
	}
	leave := presence(context.WithoutCancel(ctx), n, h)
	_, _ = fmt.Fprintf(a.stdout, "%s registered\n", whereabouts(n.pod))
	_, _ = daemon.SdNotify(false, daemon.SdNotifyReady) // an error means that nobody listens
	for !stops(<-signals) {
	}
	_, _ = daemon.SdNotify(false, daemon.SdNotifyStopping)
	leave()
	_, _ = fmt.Fprintf(a.stdout, "%s deregistered\n", handle(n.pod.Ref()))
	linger(drain, nil, signals, func(os.Signal) {})
	return nil
}
