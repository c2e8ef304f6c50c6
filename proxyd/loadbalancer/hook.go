package loadbalancer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// action is what a hook is told.
type action string

const (
	add    action = "add"
	remove action = "remove"
)

const (
	// maxOutput is how much of what a hook prints is read, in bytes.
	maxOutput = 64 << 10
	// maxGiven is how many addresses a hook may give a service.
	maxGiven = 16
	// killPause is how long a hook's output may stay open once it has ended, or
	// was killed.
	killPause = time.Second
)

// call runs a hook, without a shell, and returns the addresses that it prints.
// What it starts ends with it.
func call(ctx context.Context, path string, timeout time.Duration, a action, service registry.Key, text []byte) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var out, errs limited
	command := exec.CommandContext(ctx, path, string(a)) //nolint:gosec // to run what the operator names is the purpose
	command.Dir = "/"
	command.Env = []string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"SVCREG_NAMESPACE=" + service.Namespace, "SVCREG_NAME=" + service.Name,
	}
	command.Stdin, command.Stdout, command.Stderr = bytes.NewReader(text), &out, &errs
	command.WaitDelay = killPause
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error { return syscall.Kill(-command.Process.Pid, syscall.SIGKILL) }
	err := command.Run()
	if command.Process != nil {
		_ = command.Cancel() // of what it started something may go on
	}
	switch {
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.DeadlineExceeded):
		return nil, fmt.Errorf("hook %s %s: not done within %v%s", path, a, timeout, errs.said())
	case err != nil:
		return nil, fmt.Errorf("hook %s %s: %w%s", path, a, err, errs.said())
	}
	addrs, err := parseAddrs(out.String())
	if err != nil {
		return nil, fmt.Errorf("hook %s %s: %w", path, a, err)
	}
	return addrs, nil
}

// parseAddrs reads what a hook printed.
func parseAddrs(text string) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for word := range strings.FieldsSeq(text) {
		a, err := netip.ParseAddr(word)
		if a = a.Unmap(); err != nil || a.Zone() != "" || !a.IsGlobalUnicast() {
			return nil, fmt.Errorf("it printed %.80q: want addresses, with white space between them, that a service can have", word)
		}
		addrs = append(addrs, a)
	}
	if len(addrs) > maxGiven {
		return nil, fmt.Errorf("it printed %d addresses: want at most %d", len(addrs), maxGiven)
	}
	return addrs, nil
}

// limited is a buffer that takes only so much, and no error.
type limited struct{ bytes.Buffer }

func (l *limited) Write(p []byte) (int, error) {
	if room := maxOutput - l.Len(); room > 0 {
		l.Buffer.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// said returns the last line that a hook wrote to standard error, as a log has
// it.
func (l *limited) said() string {
	text := strings.TrimSpace(l.String())
	if text = text[strings.LastIndexByte(text, '\n')+1:]; text == "" {
		return ""
	}
	return fmt.Sprintf(": it said %.200q", text)
}
