package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/svcreg/svcreg/registry/registrytest"
	"github.com/svcreg/svcreg/test/lab"
)

// patience is how long a test waits for what must come. It says nothing about
// how fast that should be.
const patience = 30 * time.Second

// program returns the path of one of the programs that `make build` made.
func program(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run make build first", err)
	}
	return path
}

// daemon is a real process on a host of the fleet. Its output is shown if the
// test fails.
type daemon struct {
	t     *testing.T
	label string
	host  *lab.Host // nil for the machine itself
	argv  []string
	tmp   string // where it may keep temporary files

	cmd    *exec.Cmd
	output registrytest.Log
	done   chan struct{} // closed when the process has ended
}

// run starts a daemon, which is killed when the test ends.
func run(t *testing.T, host *lab.Host, argv ...string) *daemon {
	t.Helper()
	d := &daemon{t: t, host: host, argv: argv, label: filepath.Base(argv[0]), tmp: t.TempDir()}
	if host != nil {
		d.label = host.Name() + "/" + d.label
	}
	d.start()
	t.Cleanup(func() {
		d.kill()
		if t.Failed() {
			t.Logf("%s said:\n%s", d.label, d.output.String())
		}
	})
	return d
}

func (d *daemon) start() {
	d.t.Helper()
	if d.host == nil {
		d.cmd = exec.CommandContext(d.t.Context(), d.argv[0], d.argv[1:]...)
	} else {
		d.cmd = d.host.Command(d.t.Context(), d.argv[0], d.argv[1:]...)
	}
	d.cmd.Env = append(os.Environ(), "TMPDIR="+d.tmp)
	d.cmd.Stdout, d.cmd.Stderr = &d.output, &d.output
	if err := d.cmd.Start(); err != nil {
		d.t.Fatalf("start %s: %v", d.label, err)
	}
	d.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		_ = cmd.Wait()
		close(done)
	}(d.cmd, d.done)
}

// stop asks the process to end, and waits for it.
func (d *daemon) stop() {
	d.t.Helper()
	d.signal(syscall.SIGTERM)
	select {
	case <-d.done:
	case <-time.After(patience):
		d.t.Fatalf("%s did not end on SIGTERM", d.label)
	}
}

// kill ends the process at once.
func (d *daemon) kill() {
	_ = d.cmd.Process.Kill()
	<-d.done
}

func (d *daemon) signal(s syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(s); err != nil {
		d.t.Fatalf("signal %s: %v", d.label, err)
	}
}

// eventually waits until check passes, and fails the test with its last error
// if that takes longer than allowed.
func eventually(t *testing.T, allowed time.Duration, what string, check func() error) {
	t.Helper()
	began := time.Now()
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Since(began) > allowed {
			t.Fatalf("%s: not within %v: %v", what, allowed, err)
		}
		time.Sleep(5 * time.Millisecond) // between two looks
	}
}

// want returns an error unless two values are the same.
func want[T comparable](got, want T) error {
	if got != want {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}
