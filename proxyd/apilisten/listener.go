package apilisten

import (
	"crypto/tls"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// slack is how much longer than MaxHeader net/http lets a header be.
const slack = 8 << 10

// listener lets a client have only so many connections at a time, with TLS or
// without.
type listener struct {
	net.Listener
	tls     *tls.Config // nil for none
	most    int
	stall   time.Duration
	longest int // line of a header
	refused prometheus.Counter

	mu    sync.Mutex
	count map[netip.Prefix]int // by client
}

func newListener(l net.Listener, c *Config, t *tls.Config) *listener {
	refused := prometheus.NewCounter(prometheus.CounterOpts{
		Namespace: "proxyd", Name: "api_connections_refused_total",
		Help: "Connections that were closed at once, as their client had too many.",
	})
	if c.Registerer != nil {
		c.Registerer.MustRegister(refused)
	}
	return &listener{
		Listener: l, tls: t, most: c.MaxConnections, stall: c.StallTimeout, longest: c.MaxHeader + slack,
		refused: refused, count: map[netip.Prefix]int{},
	}
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
			var c net.Conn = &conn{Conn: raw, stall: l.stall, left: sync.OnceFunc(func() { l.remove(client) })}
			if l.tls != nil {
				c = tls.Server(c, l.tls)
			}
			return &strict{Conn: c, heads: heads{longest: l.longest}}, nil
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
