package watch

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// wire is a network between a client and etcd that can be cut.
type wire struct {
	listener net.Listener
	target   string

	mu    sync.Mutex
	down  bool
	conns map[net.Conn]bool
}

// newWire returns a wire to an endpoint.
func newWire(t testing.TB, endpoint string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, target: strings.TrimPrefix(endpoint, "http://"), conns: map[net.Conn]bool{}}
	var serving sync.WaitGroup
	serving.Go(w.serve)
	t.Cleanup(func() { _ = l.Close(); w.cut(); serving.Wait() })
	return w
}

func (w *wire) endpoint() string { return "http://" + w.listener.Addr().String() }

// cut closes all connections and refuses new ones.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down = true
	for c := range w.conns {
		_ = c.Close()
	}
}

// mend lets connections through again, to the endpoint or to another one.
func (w *wire) mend(endpoint string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.down, w.target = false, strings.TrimPrefix(endpoint, "http://")
}

func (w *wire) serve() {
	var pipes sync.WaitGroup
	defer pipes.Wait()
	for {
		c, err := w.listener.Accept()
		if err != nil {
			return
		}
		w.mu.Lock()
		down, target := w.down, w.target
		w.mu.Unlock()
		up, err := net.Dial("tcp", target)
		if down || err != nil || !w.add(c, up) {
			closeAll(c, up)
			continue
		}
		pipes.Go(func() { w.pipe(c, up) })
		pipes.Go(func() { w.pipe(up, c) })
	}
}

// add registers connections, unless the wire was cut meanwhile.
func (w *wire) add(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range conns {
		w.conns[c] = true
	}
	return !w.down
}

func (w *wire) pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	closeAll(to, from)
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.conns, to)
	delete(w.conns, from)
}

func closeAll(conns ...net.Conn) {
	for _, c := range conns {
		if c != nil {
			_ = c.Close()
		}
	}
}
