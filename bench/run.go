package main

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/coredns/coredns/coremain"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/lab"
	"github.com/svcreg/svcreg/bench/measure"
	"github.com/svcreg/svcreg/bench/program"
	"github.com/svcreg/svcreg/bench/report"
)

// measure runs the parts that were chosen, at each size.
func (o options) measure(ctx context.Context, log func(string, ...any)) (report.Results, error) {
	r := report.Results{
		Time: time.Now().UTC(), Machine: machine(), Services: o.sizes[0], Endpoints: o.endpoints, Encoding: "protobuf", Pods: o.pods,
	}
	if o.json {
		r.Encoding = "json"
	}
	if _, err := exec.LookPath("dnsperf"); err != nil {
		return r, errors.New("dnsperf is not installed: it is in Debian's package dnsperf")
	}
	var err error
	if o.coredns, err = filepath.Abs(o.coredns); err != nil {
		return r, err
	}
	if o.etcd, err = filepath.Abs(o.etcd); err != nil {
		return r, err
	}
	for i, size := range o.sizes {
		log("a fleet of %d services", size)
		if err := o.measureSize(ctx, size, i == 0, &r, log); err != nil {
			return r, err
		}
	}
	return r, nil
}

// measureSize runs the parts in one lab. Those that are measured at one size
// only are run if all is set.
func (o options) measureSize(ctx context.Context, size int, all bool, r *report.Results, log func(string, ...any)) (err error) {
	l, err := lab.Open(ctx, lab.Config{
		Fleet: fleet.Fleet{Services: size, Endpoints: o.endpoints}, CoreDNS: o.coredns, Etcd: o.etcd, JSON: o.json, Pods: o.pods,
	})
	defer func() { err = errors.Join(err, l.Close()) }()
	if err != nil {
		return err
	}
	m := &measure.Measurer{Lab: l, Settings: o.settings, Log: log}
	return errors.Join(
		part(ctx, o, memory, true, &r.Memory, m.Memory),
		part(ctx, o, start, true, &r.Start, m.Start),
		part(ctx, o, serverBound, all, &r.Throughput, m.ServerBound),
		part(ctx, o, unpinned, all, &r.Throughput, m.Unpinned),
		part(ctx, o, change, all, &r.Change, m.Change),
	)
}

// part appends what a measure finds, if it was asked for.
func part[T any](ctx context.Context, o options, name string, wanted bool, into *[]T, run func(context.Context) ([]T, error)) error {
	if !wanted || !slices.Contains(o.parts, name) || ctx.Err() != nil {
		return ctx.Err()
	}
	found, err := run(ctx)
	*into = append(*into, found...)
	return err
}

// machine says where this is.
func machine() report.Machine {
	cpu, kernel := program.Machine()
	return report.Machine{
		CPU: cpu, Cores: runtime.NumCPU(), Kernel: kernel,
		Go: runtime.Version(), CoreDNS: coremain.CoreVersion,
	}
}
