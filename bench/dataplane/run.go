//go:build linux

package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/svcreg/svcreg/bench/dataplane/measure"
	"github.com/svcreg/svcreg/bench/dataplane/network"
	"github.com/svcreg/svcreg/bench/dataplane/report"
	"github.com/svcreg/svcreg/bench/dataplane/services"
	"github.com/svcreg/svcreg/bench/dataplane/shape"
	"github.com/svcreg/svcreg/bench/program"
)

// measure runs the parts that were chosen. It returns what was found, also if
// there is an error.
func (o options) measure(ctx context.Context, log func(string, ...any)) (report.Results, error) {
	r := report.Results{Time: time.Now().UTC(), Machine: machine()}
	if err := network.Check(); err != nil {
		return r, err
	}
	var err error
	if o.etcd, err = filepath.Abs(o.etcd); err != nil {
		return r, err
	}
	if o.proxyd, err = filepath.Abs(o.proxyd); err != nil {
		return r, err
	}
	m := &measure.Measurer{Settings: o.settings, Shapes: o.shapes, Etcd: o.etcd, Proxyd: o.proxyd, Results: &r, Log: log}
	if err := o.kernel(ctx, m); err != nil {
		return r, err
	}
	return r, o.daemon(ctx, m)
}

// kernel measures shapes by themselves. Each round has all sizes, so that one
// size can be compared with another.
func (o options) kernel(ctx context.Context, m *measure.Measurer) error {
	parts := measure.Parts{
		Flows: slices.Contains(o.parts, flows), Connections: slices.Contains(o.parts, connections), Changes: slices.Contains(o.parts, changes),
	}
	if parts == (measure.Parts{}) {
		return nil
	}
	var fleets []*services.Fleet
	for _, n := range o.sizes {
		fleets = append(fleets, services.New(n, o.endpoints))
	}
	for round := range o.settings.Rounds {
		for _, f := range fleets {
			if err := m.Kernel(ctx, f, round, parts); err != nil {
				return err
			}
		}
		if crowd := o.crowd(); crowd != nil && parts.Changes {
			if err := alone(m).Kernel(ctx, crowd, round, measure.Parts{Changes: true}); err != nil {
				return err
			}
		}
	}
	return nil
}

// alone returns what measures only svcreg's shapes: what takes the others
// minutes to load is left out.
func alone(m *measure.Measurer) *measure.Measurer {
	only := *m
	only.Shapes = slices.DeleteFunc(slices.Clone(m.Shapes), func(s shape.Shape) bool { return !s.IsOurs() })
	return &only
}

// daemon measures proxyd.
func (o options) daemon(ctx context.Context, m *measure.Measurer) error {
	if !slices.Contains(o.parts, daemon) {
		return nil
	}
	var fleets []*services.Fleet
	for _, n := range o.daemonSizes {
		fleets = append(fleets, services.New(n, o.endpoints))
	}
	if crowd := o.crowd(); crowd != nil {
		fleets = append(fleets, crowd)
	}
	for _, f := range fleets {
		if err := m.Daemon(ctx, f); err != nil {
			return err
		}
	}
	return nil
}

// crowd returns the fleet of many endpoints, or nil.
func (o options) crowd() *services.Fleet {
	if o.crowdServices == 0 {
		return nil
	}
	return services.New(o.crowdServices, o.crowdEndpoints)
}

// machine says where this is.
func machine() report.Machine {
	cpu, kernel := program.Machine()
	return report.Machine{
		CPU: cpu, Cores: runtime.NumCPU(), Kernel: kernel, Go: runtime.Version(),
		IPTables: version("iptables"), NFTables: version("nft"),
	}
}

// version returns what a command says of itself, in a line.
func version(name string) string {
	out, _ := exec.CommandContext(context.Background(), name, "--version").Output() // says nothing then
	first, _, _ := strings.Cut(string(out), "\n")
	return first
}
