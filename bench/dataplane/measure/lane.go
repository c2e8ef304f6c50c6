//go:build linux

package measure

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/procfs"

	"github.com/svcreg/svcreg/bench/dataplane/network"
	"github.com/svcreg/svcreg/bench/dataplane/services"
	"github.com/svcreg/svcreg/bench/dataplane/shape"
	"github.com/svcreg/svcreg/bench/dataplane/traffic"
	"github.com/svcreg/svcreg/bench/program"
)

// lane is a network in which a shape has a fleet.
type lane struct {
	shape.Shape
	fleet    *services.Fleet
	network  *network.Network
	plane    shape.Plane
	flows    *traffic.Flows
	acceptor *traffic.Acceptor
	probe    services.Service // as it is now
	changes  int

	load   time.Duration
	memory float64 // bytes by which the kernel grew
}

// open builds a lane. The caller closes it, also if there is an error.
func (m *Measurer) open(ctx context.Context, s shape.Shape, f *services.Fleet) (*lane, error) {
	l := &lane{Shape: s, fleet: f, probe: f.Talker()}
	var err error
	if l.network, err = network.Open(ctx); err != nil {
		return l, err
	}
	if l.flows, err = traffic.NewFlows(l.network); err != nil {
		return l, err
	}
	if l.acceptor, err = traffic.NewAcceptor(l.network); err != nil {
		return l, err
	}
	if err := l.program(ctx, m.Settings.Settle); err != nil {
		return l, fmt.Errorf("%s, %v: %w", s.Name, f, err)
	}
	return l, nil
}

// program loads the fleet, and notes what that took.
func (l *lane) program(ctx context.Context, settle time.Duration) error {
	if _, err := l.fleet.Snapshot(); err != nil { // which is no part of loading
		return err
	}
	before, err := kernelMemory(ctx, settle)
	if err != nil {
		return err
	}
	err = l.network.Node.Do(func() (err error) {
		if l.plane, err = l.Open(); err == nil {
			l.load, err = l.plane.Load(ctx, l.fleet)
		}
		return err
	})
	if err != nil {
		return err
	}
	after, err := kernelMemory(ctx, settle)
	l.memory = after - before
	return err
}

// close removes a lane.
func (l *lane) close() error {
	var errs []error
	if l.flows != nil {
		errs = append(errs, l.flows.Close())
	}
	if l.acceptor != nil {
		errs = append(errs, l.acceptor.Close())
	}
	if l.network != nil {
		errs = append(errs, l.network.Close())
	}
	return errors.Join(errs...)
}

// change swaps an endpoint of a service, and returns how long that took.
func (l *lane) change(ctx context.Context) (took time.Duration, err error) {
	l.changes++
	next := l.fleet.Talker().Swapped(l.changes)
	err = l.network.Node.Do(func() error {
		took, err = l.plane.Change(ctx, l.probe, next)
		return err
	})
	l.probe = next
	return took, err
}

const (
	// steady is by how many bytes memory may differ from one look to the next,
	// and looks is how often it is looked at until it does not.
	steady = 256 << 10
	looks  = 20
)

// kernelMemory returns the memory that the kernel uses for itself where rules
// may be: slab, vmalloc and per-CPU memory. What was freed, also with networks
// that were removed before, needs a while to be gone.
func kernelMemory(ctx context.Context, settle time.Duration) (float64, error) {
	last := math.Inf(1)
	for range looks {
		if err := program.Sleep(ctx, settle); err != nil {
			return 0, err
		}
		now, err := ownMemory()
		if err != nil || math.Abs(now-last) < steady {
			return now, err
		}
		last = now
	}
	return last, nil
}

func ownMemory() (float64, error) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return 0, err
	}
	info, err := fs.Meminfo()
	if err != nil {
		return 0, err
	}
	var sum float64
	for name, n := range map[string]*uint64{"SUnreclaim": info.SUnreclaimBytes, "VmallocUsed": info.VmallocUsedBytes, "Percpu": info.PercpuBytes} {
		if n == nil {
			return 0, fmt.Errorf("/proc/meminfo has no %s", name)
		}
		sum += float64(*n)
	}
	return sum, nil
}
