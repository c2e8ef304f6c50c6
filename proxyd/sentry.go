package proxyd

import (
	"io"
	"sync"
)

// alarming is a kernel that tells when anybody changes rules: what Changes
// returns can be read from once somebody has, or fails then.
type alarming interface {
	Changes() (io.ReadCloser, error)
}

// sentry waits for changes of rules, so that the loop needs not look for them
// again and again where there are none.
type sentry struct {
	open   func() (io.ReadCloser, error) // nil where nobody tells of changes
	socket io.ReadCloser                 // nil while nobody waits
	woke   chan struct{}                 // closed by a change
	task   sync.WaitGroup
}

// newSentry returns the sentry of a kernel; one that never waits where the
// kernel doesn't tell.
func newSentry(k kernel) *sentry {
	if t, ok := k.(*takeover); ok {
		k = t.kernel
	}
	if a, ok := k.(alarming); ok {
		return &sentry{open: a.Changes}
	}
	return &sentry{}
}

// wait begins to wait, and reports whether it does.
func (s *sentry) wait() bool {
	if s.open == nil {
		return false
	}
	socket, err := s.open()
	if err != nil {
		s.open = nil // the loop goes on looking
		return false
	}
	woke := make(chan struct{})
	s.task.Go(func() {
		_, _ = socket.Read(make([]byte, 1)) // an error says the same
		close(woke)
	})
	s.socket, s.woke = socket, woke
	return true
}

// end ends the wait, and reports whether there was one.
func (s *sentry) end() bool {
	if s.socket == nil {
		return false
	}
	_ = s.socket.Close() // nothing was written
	s.task.Wait()
	s.socket, s.woke = nil, nil
	return true
}

// doze stops looking where all is as it was seen, until somebody changes rules.
func (l *loop) doze() {
	if !l.canary.quiet || !l.sentry.wait() {
		return
	}
	l.look.Stop()
	if g, err := l.kernel.Generation(); err != nil || g != l.canary.seen {
		l.rouse() // a change came before the wait began
	}
}

// rouse has the loop look again.
func (l *loop) rouse() {
	if l.sentry.end() {
		l.look.Reset(canaryPeriod)
	}
}
