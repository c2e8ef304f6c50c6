package measure

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/svcreg/svcreg/bench/dnsperf"
	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/kube"
	"github.com/svcreg/svcreg/bench/lab"
	"github.com/svcreg/svcreg/bench/report"
)

const (
	// writers is how many changes can be under way at once.
	writers = 8
	// sampleGap is the pause between two timed changes under load, short of
	// being load itself.
	sampleGap = 20 * time.Millisecond
)

// underLoad times changes while other services change and questions come.
func (m *Measurer) underLoad(ctx context.Context, s *lab.Server, p *probes) ([]report.Change, error) {
	if err := dnsperf.WriteQuestions(m.fileOf(fleet.A), m.Lab.Fleet.Questions(fleet.A)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()

	var asked dnsperf.Result
	var askErr, churnErr error
	done := make(chan struct{})
	group.Go(func() {
		defer close(done)
		asked, askErr = dnsperf.Run(ctx, dnsperf.Load{
			Server: s.Addr, File: m.fileOf(fleet.A), Time: m.Settings.LoadTime, Rate: m.Settings.LoadQPS,
		})
	})
	var changes atomic.Int64
	began := time.Now()
	group.Go(func() { churnErr = m.churn(ctx, p.write, &changes) })
	probeErr := m.probeUntil(ctx, p, done)
	rate := float64(changes.Load()) / time.Since(began).Seconds()
	cancel()
	group.Wait()
	return p.results(rate, asked.QPS), errors.Join(askErr, probeErr, churnErr)
}

// probeUntil times changes until the load has ended.
func (m *Measurer) probeUntil(ctx context.Context, p *probes, done <-chan struct{}) error {
	for {
		select {
		case <-done:
			return nil
		case <-time.After(sampleGap):
		}
		if err := p.next(ctx); err != nil {
			return err
		}
	}
}

// churn replaces endpoints of other services at the rate of the settings until
// ctx ends, and counts what was acknowledged.
func (m *Measurer) churn(ctx context.Context, write lab.Write, count *atomic.Int64) error {
	var group sync.WaitGroup
	errs := make([]error, writers)
	for w := range writers {
		group.Go(func() { errs[w] = m.churnOne(ctx, w, write, count) })
	}
	group.Wait()
	return errors.Join(errs...)
}

// churnOne is one of the writers, the w-th.
func (m *Measurer) churnOne(ctx context.Context, w int, write lab.Write, count *atomic.Int64) error {
	ticker := time.NewTicker(time.Second * writers / time.Duration(m.Settings.LoadRate))
	defer ticker.Stop()
	for n := w; ; n += writers {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		// A stride of a prime visits the services all over.
		const stride = 7919
		i := (n * stride) % m.Lab.Fleet.Services
		if i == fleet.ProbePortal || i == fleet.ProbeHeadless {
			continue
		}
		err := write(ctx, kube.Slice(m.Lab.Fleet.Service(i).Churned(n)))
		if ctx.Err() == nil && err != nil {
			return err
		}
		count.Add(1)
	}
}
