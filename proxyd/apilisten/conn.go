package apilisten

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// conn is a client's connection. It offers no ReadFrom, which would get around
// Write.
type conn struct {
	net.Conn
	stall time.Duration
	left  func() // the client has one less

	mu sync.Mutex
	// theirs says that a deadline for writing holds that somebody else has set;
	// until is ours, if there is one.
	theirs bool
	until  time.Time
}

// Write gives up where the client takes nothing for too long. The connection
// is of no more use then.
func (c *conn) Write(p []byte) (int, error) {
	since, written := time.Now(), 0
	c.begin(since)
	for {
		n, err := c.Conn.Write(p[written:])
		written += n
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			return written, err
		}
		now := time.Now()
		if n > 0 {
			since = now
		}
		if now.Sub(since) >= c.stall || !c.extend(since.Add(c.stall)) {
			return written, err
		}
	}
}

// begin sees to it that a deadline is set. One that is far enough stays, as
// setting it costs more than all else here; it is extended where it comes too
// early.
func (c *conn) begin(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.theirs && c.until.Sub(now) < c.stall/2 {
		c.until = now.Add(c.stall)
		_ = c.Conn.SetWriteDeadline(c.until) // what is wrong, Write says
	}
}

// extend sets the deadline to a later time. It reports whether it may.
func (c *conn) extend(until time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.theirs {
		return false
	}
	c.until = until
	return c.Conn.SetWriteDeadline(until) == nil
}

// SetWriteDeadline implements net.Conn. None means that Write gives up in time,
// which is so already if nobody else has set one: net/http takes it away after
// each request.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t.IsZero() && !c.theirs {
		return nil
	}
	c.theirs, c.until = !t.IsZero(), time.Time{}
	return c.Conn.SetWriteDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// CloseWrite says that nothing more will be written.
func (c *conn) CloseWrite() error { return closeWrite(c.Conn) }

// Close implements net.Conn.
func (c *conn) Close() error {
	c.left()
	return c.Conn.Close()
}
