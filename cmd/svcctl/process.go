package main

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
)

// process is a command that svcctl started.
type process struct {
	command *exec.Cmd
	exited  chan struct{} // closed when it has
}

// startProcess starts a command in a process group of its own, so that what a
// terminal's keys send reaches svcctl alone. Should svcctl die suddenly the
// kernel sends the command a SIGTERM: nobody would speak for it any more.
func startProcess(path string, words, environ []string, stdin io.Reader, stdout, stderr io.Writer) (*process, error) {
	command := exec.Command(path) //nolint:noctx // it runs until it ends by itself
	command.Args, command.Env = words, environ
	command.Stdin, command.Stdout, command.Stderr = stdin, stdout, stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	p := &process{command: command, exited: make(chan struct{})}
	started := make(chan error)
	go func() { // ends with the command, which the caller waits for
		runtime.LockOSThread() // the kernel takes the thread's death for ours
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err == nil {
			_ = command.Wait() // its state says how it ended
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, startError(path, err)
	}
	return p, nil
}

// signal sends a signal. One that has ended by now has no use for it.
func (p *process) signal(s os.Signal) { _ = p.command.Process.Signal(s) }

// exit returns how it ended: nil for the exit code 0, and a shell's 128 and the
// signal's number where a signal ended it.
func (p *process) exit() error {
	state := p.command.ProcessState
	code := state.ExitCode()
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		code = 128 + int(status.Signal())
	}
	if code == 0 {
		return nil
	}
	return &exitError{code}
}

// exitError says with which code svcctl has to exit, about which there is
// nothing more to say.
type exitError struct{ code int }

func (e *exitError) Error() string { return "exit code " + strconv.Itoa(e.code) }

// exitCode returns what an error says of the exit code, if it does.
func exitCode(err error) (int, bool) {
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code, true
	}
	return 0, false
}
