//go:build !race

package apiproxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"
)

// maxIdle is what an idle WebSocket may cost in bytes: ten thousand take less
// than 500 MB. It is about 31 KiB, a third of it stacks; when ReverseProxy carried
// what is said it was 40 KiB, and with the buffers of io.Copy 104.
const maxIdle = 38 << 10

// Connections that were handed over and are silent cost little memory. The
// clients and the endpoint, in the same process, have no buffers.
func TestIdleUpgrades(t *testing.T) {
	const n = 400
	h := newProxy(t, serviceOf(silent(t)))
	conns := make([]net.Conn, 0, n)
	before := memory()
	for range n {
		conns = append(conns, h.upgraded(t))
	}
	each := (memory() - before) / n
	t.Logf("%d bytes for each", each)
	if each > maxIdle {
		t.Errorf("%d bytes for each idle connection, want at most %d", each, maxIdle)
	}
	runtime.KeepAlive(conns)
}

// silent is the address of an endpoint that switches protocols and then says
// nothing.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { conn.Close() })
			if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			}
		}
	}()
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// memory is what this process has in use for its heap and stacks, in bytes.
func memory() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}
