// Package websocket opens many WebSockets (RFC 6455) that are idle, and serves
// them. Each costs as little as there can be, as those that are measured stand
// between the two.
package websocket

import (
	"bufio"
	"context"
	"crypto/sha1" //nolint:gosec // RFC 6455 has it so
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
)

// Backend accepts WebSockets and sends back what comes.
type Backend struct {
	listener net.Listener
	running  sync.WaitGroup
	mu       sync.Mutex
	open     map[net.Conn]bool // nil once it is closed
}

// Listen starts a Backend on a free port of loopback. The caller closes it.
func Listen(ctx context.Context) (*Backend, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("websocket: %w", err)
	}
	b := &Backend{listener: l, open: map[net.Conn]bool{}}
	b.running.Go(b.accept)
	return b, nil
}

// Addr is where it listens.
func (b *Backend) Addr() netip.AddrPort { return b.listener.Addr().(*net.TCPAddr).AddrPort() }

// Close ends all WebSockets.
func (b *Backend) Close() error {
	err := b.listener.Close()
	b.mu.Lock()
	for conn := range b.open {
		_ = conn.Close() // nobody is interested any more
	}
	b.open = nil
	b.mu.Unlock()
	b.running.Wait()
	return err
}

func (b *Backend) accept() {
	for {
		conn, err := b.listener.Accept()
		if err != nil {
			return
		}
		b.running.Go(func() {
			if b.keep(conn) {
				_ = serve(conn) // whoever is at the other end sees what became of it
			}
			b.forget(conn)
		})
	}
}

// keep has a connection closed with the backend, unless that is closed.
func (b *Backend) keep(conn net.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open != nil {
		b.open[conn] = true
	}
	return b.open != nil
}

func (b *Backend) forget(conn net.Conn) {
	_ = conn.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.open, conn)
}

// serve answers requests until one is for a WebSocket, and then messages.
func serve(conn net.Conn) error {
	in := bufio.NewReaderSize(conn, 1<<10)
	for {
		r, err := http.ReadRequest(in)
		if err != nil {
			return err
		}
		key := r.Header.Get("Sec-Websocket-Key")
		if key == "" {
			if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n", accepted(key)); err != nil {
			return err
		}
		return echo(conn, in)
	}
}

// accepted returns what shows that a key was understood.
func accepted(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")) //nolint:gosec // RFC 6455 has it so
	return base64.StdEncoding.EncodeToString(sum[:])
}

// echo sends messages back: as the server it takes their mask off.
func echo(to io.Writer, from io.Reader) error {
	var frame [headSize + maskSize + messageSize]byte
	for {
		if _, err := io.ReadFull(from, frame[:]); err != nil {
			return err
		}
		mask, message := frame[headSize:headSize+maskSize], frame[headSize+maskSize:]
		for i := range message {
			message[i] ^= mask[i%maskSize]
		}
		if _, err := to.Write(append([]byte{binary, messageSize}, message...)); err != nil {
			return err
		}
	}
}
