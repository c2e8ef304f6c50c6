package iptables

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
)

// CommandError says that an iptables command failed.
type CommandError struct {
	// Command is the command with its arguments.
	Command string
	// Stderr is what it complained about, in one line.
	Stderr string
	// Rule is the line of the input that it complained about, if it named
	// one.
	Rule string
	Err  error
}

// Error names the command, what it said, and the rule it refused.
func (e *CommandError) Error() string {
	text := e.Command + ": " + e.Err.Error()
	if e.Stderr != "" {
		text += ": " + e.Stderr
	}
	if e.Rule != "" {
		text += fmt.Sprintf(" (in %q)", e.Rule)
	}
	return text
}

// Unwrap returns the error of running the command.
func (e *CommandError) Unwrap() error { return e.Err }

// refused reports whether the command ran and turned the input down. Otherwise
// no other input would fare better at this time: the command is missing, its
// time was up, or another program holds the lock.
func (e *CommandError) refused() bool {
	var exit *exec.ExitError
	return errors.As(e.Err, &exit) && exit.Exited() && !strings.Contains(e.Stderr, "xtables lock")
}

// namedLine finds the number of the line that iptables-restore complains
// about: "line 7 failed", "line 7: RULE_APPEND failed", "occurred at line: 7".
var namedLine = regexp.MustCompile(`line:? (\d+)`)

func newCommandError(command string, err error, stderr string, input []byte) *CommandError {
	e := &CommandError{Command: command, Err: err, Stderr: complaint(stderr)}
	if m := namedLine.FindStringSubmatch(stderr); m != nil {
		n, _ := strconv.Atoi(m[1])
		if lines := bytes.Split(input, []byte("\n")); n >= 1 && n <= len(lines) {
			e.Rule = string(lines[n-1])
		}
	}
	return e
}

// complaint returns the first line that says something: iptables-nft-restore
// says its own name first, and warnings may come before that.
func complaint(stderr string) string {
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "#") && !strings.HasSuffix(line, "(nf_tables):") {
			return line
		}
	}
	return strings.TrimSpace(stderr)
}

// isRefusal reports whether the kernel turned some input down, so that parts
// of it may still pass.
func isRefusal(err error) bool {
	var refusal interface{ refused() bool }
	return errors.As(err, &refusal) && refusal.refused() && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}
