//go:build linux

package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/svcreg/svcreg/bench/dataplane/report"
	"github.com/svcreg/svcreg/bench/dataplane/services"
	"github.com/svcreg/svcreg/bench/dataplane/shape"
	"github.com/svcreg/svcreg/bench/process"
	"github.com/svcreg/svcreg/bench/program"
)

// Daemon measures the real proxyd on a registry in a real etcd: how long it
// takes from nothing to all services, what it uses, and how long changes take
// to reach the kernel.
func (m *Measurer) Daemon(ctx context.Context, f *services.Fleet) (err error) {
	m.Log("%v, the daemon: filling etcd", f)
	n, err := m.newNode(ctx, f)
	defer func() { err = errors.Join(err, n.close()) }()
	if err != nil {
		return err
	}
	var shapes []shape.Shape
	for _, s := range m.Shapes {
		if s.Daemon != nil {
			shapes = append(shapes, s)
		}
	}
	for round := range m.Settings.Starts {
		for _, s := range program.Rotated(shapes, round) {
			last := round == m.Settings.Starts-1
			if err := m.daemon(ctx, n, s, last); err != nil {
				return fmt.Errorf("%s, %v: %w", s.Name, f, err)
			}
		}
	}
	return nil
}

// daemon starts proxyd where nothing stands, and in the end removes what it
// made. All is measured of the last one of a shape, else only the start.
func (m *Measurer) daemon(ctx context.Context, n *node, s shape.Shape, all bool) (err error) {
	began := time.Now()
	p, err := n.start(ctx, s)
	if err != nil {
		return err
	}
	defer func() {
		if p != nil {
			p.Stop()
		}
		err = errors.Join(err, n.cleanup(context.WithoutCancel(ctx), s))
	}()
	reached, err := n.reached(ctx, p)
	if err != nil {
		return err
	}
	m.Log("  services reached %v after the start: %s", reached.Sub(began).Round(time.Millisecond), s.Name)
	m.Results.Add(report.Start, s.Name, size(n.fleet), reached.Sub(began).Seconds())
	if !all {
		return nil
	}
	if err := m.usage(ctx, n, p, s); err != nil {
		return err
	}
	if err := m.endToEnd(ctx, n, p, s); err != nil {
		return err
	}
	p.Stop()
	p, err = m.restart(ctx, n, s)
	return err
}

// usage measures what a proxyd uses that has nothing to do. What is left to do
// after its start has a while to be done.
func (m *Measurer) usage(ctx context.Context, n *node, p *process.Process, s shape.Shape) error {
	if err := program.Sleep(ctx, m.Settings.Idle/5); err != nil {
		return err
	}
	before, err := p.CPU()
	if err != nil {
		return err
	}
	if err := program.Sleep(ctx, m.Settings.Idle); err != nil {
		return err
	}
	after, err := p.CPU()
	if err != nil {
		return err
	}
	rss, err := p.RSS()
	if err != nil {
		return err
	}
	m.Results.Add(report.Idle, s.Name, size(n.fleet), (after-before).Seconds()/m.Settings.Idle.Seconds())
	m.Results.Add(report.Resident, s.Name, size(n.fleet), float64(rss))
	return nil
}
