package apilisten

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// countedConn counts how often a deadline for writing is set.
type countedConn struct {
	net.Conn
	set int
}

func (c *countedConn) SetWriteDeadline(t time.Time) error {
	c.set++
	return c.Conn.SetWriteDeadline(t)
}

// pipe returns a client's connection that may stall for a minute, and the
// client's end. Nothing is held between the two.
func pipe(t *testing.T) (*conn, *countedConn, net.Conn) {
	t.Helper()
	a, b := net.Pipe()
	t.Cleanup(func() { a.Close(); b.Close() })
	counted := &countedConn{Conn: a}
	return &conn{Conn: counted, stall: time.Minute, left: func() {}}, counted, b
}

// A client that takes nothing is given up on when it has done so for the whole
// time, also where others took what was written shortly before.
func TestWriteGivesUp(t *testing.T) {
	for name, pause := range map[string]time.Duration{"at once": 0, "shortly after": 20 * time.Second, "much later": time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			c, _, client := pipe(t)
			go client.Read(make([]byte, 5))
			if n, err := c.Write([]byte("taken")); n != 5 || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
			time.Sleep(pause)
			start := time.Now()
			n, err := c.Write([]byte("left"))
			if took := time.Since(start); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || took != time.Minute {
				t.Errorf("%s: %d, %v, after %v", name, n, err, took)
			}
		})
	}
}

// A client that takes a little at a time gets all.
func TestWriteWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, client := pipe(t)
		go func() {
			for range len("slowly") {
				time.Sleep(50 * time.Second)
				client.Read(make([]byte, 1))
			}
		}()
		start := time.Now()
		if n, err := c.Write([]byte("slowly")); n != 6 || err != nil || time.Since(start) != 5*time.Minute {
			t.Errorf("%d, %v, after %v", n, err, time.Since(start))
		}
	})
}

// A deadline that somebody sets holds until it is taken away.
func TestWriteDeadlines(t *testing.T) {
	for name, set := range map[string]func(net.Conn, time.Time) error{"SetDeadline": net.Conn.SetDeadline, "SetWriteDeadline": net.Conn.SetWriteDeadline} {
		synctest.Test(t, func(t *testing.T) {
			c, _, _ := pipe(t)
			for _, tt := range []struct{ set, want time.Duration }{{time.Second, time.Second}, {time.Hour, time.Hour}, {0, time.Minute}, {-time.Second, 0}} {
				at := time.Time{}
				if tt.set != 0 {
					at = time.Now().Add(tt.set)
				}
				if err := set(c, at); err != nil {
					t.Fatal(err)
				}
				start := time.Now()
				if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != tt.want {
					t.Errorf("%s %v: %v after %v, want %v", name, tt.set, err, time.Since(start), tt.want)
				}
			}
		})
	}
}

// Setting a deadline costs: many writes share one.
func TestWriteSetsFewDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, counted, client := pipe(t)
		go io.Copy(io.Discard, client)
		for range 100 {
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if err := c.SetWriteDeadline(time.Time{}); err != nil { // as net/http does after each request
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if counted.set > 4 {
			t.Errorf("%d deadlines were set in 100 seconds, want one each 30", counted.set)
		}
	})
}
