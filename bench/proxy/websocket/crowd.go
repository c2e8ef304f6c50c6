package websocket

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// A frame, of which there is one sort: binary, final, with a message of fixed
// size. A client's has a mask.
const (
	headSize    = 2
	maskSize    = 4
	messageSize = 4
	binary      = 0x82
	masked      = 0x80
)

const (
	// openers is how many WebSockets are opened at a time.
	openers = 32
	// patience is how long one may take to be opened, or to answer.
	patience = 30 * time.Second
)

// Crowd is many clients of WebSockets.
type Crowd []net.Conn

// Open opens WebSockets at a URL, which begins with http. The caller closes
// what it returns, also if there is an error.
func Open(ctx context.Context, at string, n int) (Crowd, error) {
	conns := make([]net.Conn, n)
	err := each(ctx, n, func(i int) (err error) {
		conns[i], err = open(ctx, at)
		return err
	})
	var c Crowd
	for _, conn := range conns {
		if conn != nil {
			c = append(c, conn)
		}
	}
	return c, err
}

// Close closes all.
func (c Crowd) Close() error {
	var errs []error
	for _, conn := range c {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// Ask wants a message to come back on every WebSocket.
func (c Crowd) Ask(ctx context.Context) error {
	return each(ctx, len(c), func(i int) error { return ask(c[i]) })
}

// each calls a function with 0 to n-1, some at a time, and returns the first
// error, after which it calls it no more.
func each(ctx context.Context, n int, do func(int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	numbers := make(chan int)
	var running sync.WaitGroup
	for range openers {
		running.Go(func() {
			for i := range numbers {
				if err := do(i); err != nil {
					cancel(fmt.Errorf("WebSocket %d of %d: %w", i+1, n, err))
				}
			}
		})
	}
	for i := 0; i < n && ctx.Err() == nil; i++ {
		numbers <- i
	}
	close(numbers)
	running.Wait()
	return context.Cause(ctx)
}

// open opens one WebSocket.
func open(ctx context.Context, at string) (net.Conn, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	if err := shake(conn, u); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// shake asks for a WebSocket, and wants to get one.
func shake(conn net.Conn, u *url.URL) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	var nonce [16]byte
	_, _ = rand.Read(nonce[:]) // never fails
	key := base64.StdEncoding.EncodeToString(nonce[:])
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
		u.RequestURI(), u.Host, key); err != nil {
		return err
	}
	in := bufio.NewReader(conn)
	res, err := http.ReadResponse(in, nil) //nolint:bodyclose // it has none
	switch {
	case err != nil:
		return err
	case res.StatusCode != http.StatusSwitchingProtocols || res.Header.Get("Sec-Websocket-Accept") != accepted(key):
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1<<10)) // what there is of it
		return fmt.Errorf("no WebSocket, but %s: %s", res.Status, text)
	case in.Buffered() > 0:
		return errors.New("something was sent that nobody asked for")
	}
	return nil
}

// ask sends a message and wants it back.
func ask(conn net.Conn) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	var mask [maskSize]byte
	_, _ = rand.Read(mask[:]) // never fails
	frame := append([]byte{binary, masked | messageSize}, mask[:]...)
	const message = "ping"
	for i := range messageSize {
		frame = append(frame, message[i]^mask[i])
	}
	if _, err := conn.Write(frame); err != nil {
		return err
	}
	var got [headSize + messageSize]byte
	if _, err := io.ReadFull(conn, got[:]); err != nil {
		return err
	}
	if string(got[headSize:]) != message {
		return fmt.Errorf("%q came back, not %q", got[headSize:], message)
	}
	return nil
}
