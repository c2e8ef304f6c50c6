// Package program is what the benchmarks' commands have in common: how they
// run, say how far they are, and keep results.
package program

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Run runs a command of some name until it ends or is interrupted, and exits
// with 1 if it fails. Results go to standard output, and what is going on to
// standard error.
func Run(name string, run func(ctx context.Context, args []string, out, progress io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Results returns what was measured and written to a file before or, without a
// file, what measure finds, which logs its steps.
func Results[R any](ctx context.Context, file string, progress io.Writer, measure func(context.Context, func(format string, args ...any)) (R, error)) (R, error) {
	if file != "" {
		return Read[R](file)
	}
	began := time.Now()
	r, err := measure(ctx, func(format string, args ...any) {
		fmt.Fprintf(progress, "%6.1fs  "+format+"\n", append([]any{time.Since(began).Seconds()}, args...)...)
	})
	if ctx.Err() != nil {
		return r, fmt.Errorf("interrupted: %w", ctx.Err()) // and so much else failed
	}
	return r, err
}

// Publish prints the tables of results, and writes these to a directory as
// name.json, the tables as name.md and the chart as name.svg.
func Publish(out io.Writer, dir, name string, results any, markdown, chart string) error {
	_, printed := io.WriteString(out, markdown)
	raw, err := json.MarshalIndent(results, "", " ")
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	err = errors.Join(printed, os.MkdirAll(dir, 0o750))
	for ending, content := range map[string][]byte{".json": raw, ".md": []byte(markdown), ".svg": []byte(chart)} {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, name+ending), content, 0o644)) //nolint:gosec // for all to read
	}
	return err
}

// Read reads the results that Publish wrote.
func Read[R any](file string) (r R, err error) {
	raw, err := os.ReadFile(file) //nolint:gosec // the user's own
	if err != nil {
		return r, fmt.Errorf("read results: %w", err)
	}
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("read results: %s: %w", file, err)
	}
	return r, nil
}

// Machine returns the processor's name and the kernel's version; what isn't
// known is left out.
func Machine() (cpu, kernel string) {
	cpu = runtime.GOARCH
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(info)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			cpu = strings.TrimSpace(value)
			break
		}
	}
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return cpu, strings.TrimSpace(string(release))
}
