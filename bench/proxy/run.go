//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/svcreg/svcreg/bench/program"
	"github.com/svcreg/svcreg/bench/proxy/lab"
	"github.com/svcreg/svcreg/bench/proxy/measure"
	"github.com/svcreg/svcreg/bench/proxy/report"
	"github.com/svcreg/svcreg/bench/proxy/wrk"
)

// measure runs the parts that were chosen. It returns what was found, also if
// there is an error.
func (o options) measure(ctx context.Context, log func(string, ...any)) (r report.Results, err error) {
	r = report.Results{
		Time: time.Now().UTC(), Machine: machine(),
		Small: o.small, Large: o.large, Connections: o.settings.Connections, Sockets: o.settings.Sockets,
	}
	if err := installed(); err != nil {
		return r, err
	}
	for _, path := range []*string{&o.proxyd, &o.reverse, &o.etcd} {
		if *path, err = filepath.Abs(*path); err != nil {
			return r, err
		}
	}
	most, err := lab.Connections(max(o.settings.Connections, o.settings.Sockets))
	if err != nil {
		return r, err
	}
	if most < o.settings.Sockets {
		log("only %d WebSockets: a process may have no more files open", most)
		o.settings.Sockets, r.Sockets = most, most
	}
	l, err := lab.Open(ctx, lab.Config{
		Proxyd: o.proxyd, Reverse: o.reverse, Etcd: o.etcd, Small: o.small, Large: o.large, Connections: most,
	})
	defer func() { err = errors.Join(err, l.Close()) }()
	if err != nil {
		return r, err
	}
	m := &measure.Measurer{Lab: l, Settings: o.settings, Results: &r, Log: log}
	for _, part := range []struct {
		name string
		run  func(context.Context) error
	}{{serverBound, m.ServerBound}, {unpinned, m.Unpinned}, {sockets, m.Sockets}} {
		if !slices.Contains(o.parts, part.name) {
			continue
		}
		log("%s", part.name)
		if err := part.run(ctx); err != nil {
			return r, err
		}
	}
	return r, nil
}

// installed returns an error if what is Debian's is not there.
func installed() error {
	errs := []error{wrk.Check()}
	for _, name := range []string{"nginx", "haproxy"} {
		if _, err := exec.LookPath(name); err != nil {
			errs = append(errs, fmt.Errorf("%s is not installed: it is in Debian's package of that name", name))
		}
	}
	return errors.Join(errs...)
}

// machine says where this is, and with what.
func machine() report.Machine {
	cpu, kernel := program.Machine()
	return report.Machine{
		CPU: cpu, Cores: runtime.NumCPU(), Kernel: kernel, Go: runtime.Version(),
		NGINX: version("nginx"), HAProxy: version("haproxy"),
	}
}

// version returns the first number with dots in what a command says of itself.
func version(name string) string {
	out, _ := exec.CommandContext(context.Background(), name, "-v").CombinedOutput() // says nothing then
	for word := range strings.FieldsFuncSeq(string(out), func(r rune) bool { return r == ' ' || r == '/' || r == '\n' || r == '-' }) {
		if word[0] >= '0' && word[0] <= '9' && strings.Contains(word, ".") {
			return name + " " + word
		}
	}
	return name
}
