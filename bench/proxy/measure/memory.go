package measure

import (
	"context"
	"errors"
	"fmt"

	"github.com/svcreg/svcreg/bench/program"
	"github.com/svcreg/svcreg/bench/proxy/report"
	"github.com/svcreg/svcreg/bench/proxy/websocket"
)

// Sockets measures what servers have resident with many idle WebSockets, which
// all prove in the end that they are still there.
func (m *Measurer) Sockets(ctx context.Context) (err error) {
	b, err := websocket.Listen(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	for n := range m.Settings.Repeat {
		for _, name := range program.Rotated(report.Servers, n) {
			if !name.TakesSockets() {
				continue
			}
			m.Log("%d idle WebSockets, %d of %d: %s", m.Settings.Sockets, n+1, m.Settings.Repeat, name)
			if err := m.sockets(ctx, name, b); err != nil {
				return fmt.Errorf("WebSockets, %s: %w", name, err)
			}
		}
	}
	return nil
}

func (m *Measurer) sockets(ctx context.Context, name report.Server, b *websocket.Backend) (err error) {
	s, err := m.Lab.Serve(ctx, name, b.Addr(), 0)
	if err != nil {
		return err
	}
	defer s.Stop()
	before, err := s.RSS()
	if err != nil {
		return err
	}
	crowd, err := websocket.Open(ctx, s.URL("socket"), m.Settings.Sockets)
	defer func() { err = errors.Join(err, crowd.Close()) }()
	if err != nil {
		return errors.Join(err, s.Err())
	}
	if err := program.Sleep(ctx, m.Settings.Settle); err != nil {
		return err
	}
	after, err := s.RSS()
	if err != nil {
		return err
	}
	if err := crowd.Ask(ctx); err != nil {
		return errors.Join(err, s.Err())
	}
	m.Log("  %.1f MB, %.1f MB before", float64(after)/1e6, float64(before)/1e6)
	m.Results.Add(report.Sockets, name, report.Empty, float64(before))
	m.Results.Add(report.Sockets, name, report.Filled, float64(after))
	return nil
}
