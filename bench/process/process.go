// Package process runs the benchmark's servers and tells what they use. The
// figures come from Linux's /proc.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// stopTime is how long a process may take to end by itself.
const stopTime = 10 * time.Second

// Process is a running program.
type Process struct {
	Name string

	cmd    *exec.Cmd
	output tail
	done   chan struct{} // closed when it has ended
}

// Options say how a process runs. The zero Options mean: like any other.
type Options struct {
	// Core is the only processor that the process may use, counted from 1;
	// 0 means all. The Go scheduler is told, too.
	Core int
	// Dir is where it runs.
	Dir string
}

// Start starts a program. The caller ends it with Stop. It ends also when this
// process does, however that comes about.
func Start(ctx context.Context, o Options, name string, argv ...string) (*Process, error) {
	argv, env := Pin(o.Core, argv)
	p := &Process{Name: name, done: make(chan struct{})}
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), argv[0], argv[1:]...) //nolint:gosec // the benchmark's own servers
	p.cmd.Dir = o.Dir
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	// A group of its own: Ctrl-C is for the benchmark, which then stops its
	// servers in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait() // what it said tells more
		close(p.done)
	}()
	return p, nil
}

// Pin returns what runs a program on one processor, counted from 1, and its
// environment. With 0 the program is not bound.
func Pin(core int, argv []string) (pinned, env []string) {
	if core == 0 {
		return argv, nil
	}
	return append([]string{"taskset", "-c", strconv.Itoa(core - 1)}, argv...), []string{"GOMAXPROCS=1"}
}

// PinSelf runs this process, and what it starts and doesn't pin, on one
// processor, counted from 1, until the function is called that it returns. With 0
// it does nothing. What servers say is read there then, and not where they run.
func PinSelf(core int) (undo func(), err error) {
	if core == 0 {
		return func() {}, nil
	}
	var before, only unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, fmt.Errorf("processors of this process: %w", err)
	}
	only.Set(core - 1)
	return func() { _ = pinThreads(&before) }, pinThreads(&only)
}

// pinThreads binds all threads of this process. Those to come are as those that
// they come from.
func pinThreads(to *unix.CPUSet) error {
	threads, err := procfs.AllThreads(os.Getpid())
	if err != nil {
		return fmt.Errorf("threads of this process: %w", err)
	}
	for _, t := range threads {
		if err := unix.SchedSetaffinity(t.PID, to); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("pin a thread: %w", err)
		}
	}
	return nil
}

// Stop asks the process to end, insists after a while, and waits for it.
func (p *Process) Stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.done:
	case <-time.After(stopTime):
		p.Kill()
	}
}

// Kill ends the process at once, with those that it started, and waits for it.
func (p *Process) Kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // they may have ended
	<-p.done
}

// Err returns an error with what the process said last if it has ended.
func (p *Process) Err() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s ended: %v; it said:\n%s", p.Name, p.cmd.ProcessState, p.output.String())
	default:
		return nil
	}
}

// CPU returns the processor time that the process has used, and those that it
// started and that still run.
func (p *Process) CPU() (time.Duration, error) {
	var used float64
	err := p.each(func(proc procfs.Proc) error {
		stat, err := proc.Stat()
		used += stat.CPUTime()
		return err
	})
	return time.Duration(used * float64(time.Second)), err
}

// RSS returns the memory that the process has resident, and those that it
// started, in bytes.
func (p *Process) RSS() (int64, error) {
	var resident int64
	err := p.each(func(proc procfs.Proc) error {
		status, err := proc.NewStatus()
		resident += int64(status.VmRSS)
		return err
	})
	return resident, err
}

// each calls a function for the process and for those that it started, which
// are of its group.
func (p *Process) each(do func(procfs.Proc) error) error {
	if err := p.Err(); err != nil {
		return err
	}
	all, err := procfs.AllProcs()
	if err != nil {
		return err
	}
	for _, proc := range all {
		group, err := syscall.Getpgid(proc.PID)
		if err != nil || group != p.cmd.Process.Pid {
			continue // another's, or it has ended
		}
		if err := do(proc); err != nil {
			return errors.Join(err, p.Err())
		}
	}
	return p.Err()
}

// tail keeps the end of what a process says.
type tail struct {
	mu   sync.Mutex
	text []byte
}

var _ io.Writer = (*tail)(nil)

const tailSize = 8 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b...)
	if extra := len(t.text) - tailSize; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
