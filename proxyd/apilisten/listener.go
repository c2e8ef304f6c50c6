package apilisten

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// listener lets a client have only so many connections at a time.
type listener struct {
	net.Listener
	most    int
	stall   time.Duration
	refused prometheus.Counter

	mu    sync.Mutex
	count map[netip.Prefix]int // by client
}

func newListener(l net.Listener, c *Config) *listener {
	refused := prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "proxyd", Name: "api_connections_refused_total",
		Help: "Connections that were closed at once, as their client had too many.",
	})
	if c.Registerer != nil {
		c.Registerer.MustRegister(refused)
	}
	return &listener{Listener: l, most: c.MaxConnections, stall: c.StallTimeout, refused: refused, count: map[netip.Prefix]int{}}
}

// Accept returns the next connection. One too many is closed at once.
func (l *listener) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		client := clientOf(raw.RemoteAddr())
		if l.add(client) {
			return &conn{Conn: raw, stall: l.stall, left: sync.OnceFunc(func() { l.remove(client) })}, nil
		}
		l.refused.Inc()
		_ = raw.Close()
	}
}

// clientOf returns whom an address stands for: itself, or of IPv6 the network
// whose addresses a client can take at will.
func clientOf(a net.Addr) netip.Prefix {
	at, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}
	}
	addr := at.Addr().WithZone("").Unmap()
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	return netip.PrefixFrom(addr, bits).Masked()
}

func (l *listener) add(client netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count[client] >= l.most {
		return false
	}
	l.count[client]++
	return true
}

func (l *listener) remove(client netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count[client]--; l.count[client] <= 0 {
		delete(l.count, client)
	}
}

// conn is a client's connection. It offers no ReadFrom, which would get around
// Write.
type conn struct {
	net.Conn
	stall time.Duration
	left  func() // the client has one less
}

// Write gives up where the client takes nothing for too long. The connection
// is of no more use then.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.stall)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// CloseWrite says that nothing more will be written, as protocols that a
// connection is upgraded to may.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// Close implements net.Conn.
func (c *conn) Close() error {
	c.left()
	return c.Conn.Close()
}
