package leader

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/etcd"
	"github.com/svcreg/svcreg/registry/registrytest"
)

const (
	patience = 30 * time.Second
	// testTTL is that of leaders whose sudden death is awaited. Others renew
	// their lease in time on a busy machine, too.
	testTTL = 4 * time.Second
)

// quiet is the log of tests.
var quiet = slog.New(slog.DiscardHandler)

// connect returns a client as the programs have it.
func connect(t *testing.T, endpoint string) *clientv3.Client {
	t.Helper()
	client, err := etcd.Connect(etcd.Config{Endpoints: []string{endpoint}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func testKey(t *testing.T) string {
	t.Helper()
	layout, err := codec.NewLayout("")
	if err != nil {
		t.Fatal(err)
	}
	return Key(layout, "test")
}

// event is the beginning or the end of a term.
type event struct {
	node  string
	leads bool
}

// stage is where candidates run, and reports two that lead at once.
type stage struct {
	t      *testing.T
	events chan event
	ttl    time.Duration

	mu      sync.Mutex
	leading string
}

func newStage(t *testing.T) *stage {
	return &stage{t: t, events: make(chan event, 1000), ttl: testTTL}
}

// run runs a candidate until the test ends or the function it returns is
// called.
func (s *stage) run(client *clientv3.Client, node string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		c := Config{Client: client, Key: testKey(s.t), Node: node, TTL: s.ttl, Logger: quiet}
		if err := Run(ctx, c, func(ctx context.Context) error { return s.lead(ctx, node) }); err != nil {
			s.t.Errorf("Run: %v", err)
		}
	})
	stop = func() { cancel(); running.Wait() }
	s.t.Cleanup(stop)
	return stop
}

// lead is what candidates run.
func (s *stage) lead(ctx context.Context, node string) error {
	s.turn(node, "", node)
	<-ctx.Done()
	s.turn(node, node, "")
	return context.Cause(ctx)
}

func (s *stage) turn(node, before, after string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.leading != before {
		s.t.Errorf("%q leads where %q should", s.leading, before)
	}
	s.leading = after
	s.events <- event{node, after == node}
}

// want waits for the next event, which must be this one.
func (s *stage) want(want event) {
	s.t.Helper()
	select {
	case got := <-s.events:
		if got != want {
			s.t.Fatalf("got %+v, want %+v", got, want)
		}
	case <-time.After(patience):
		s.t.Fatalf("waited for %+v", want)
	}
}

// relay is a TCP proxy whose connections can be paused and cut.
type relay struct {
	listener net.Listener
	target   string
	copiers  sync.WaitGroup

	mu     sync.Mutex
	flows  *sync.Cond
	paused bool
	closed bool
	conns  []net.Conn
}

func startRelay(t *testing.T, e *registrytest.Etcd) *relay {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: listener, target: strings.TrimPrefix(e.Endpoint(), "http://")}
	r.flows = sync.NewCond(&r.mu)
	r.copiers.Go(r.accept)
	t.Cleanup(r.close)
	return r
}

func (r *relay) endpoint() string { return "http://" + r.listener.Addr().String() }

func (r *relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", r.target)
		if err != nil {
			client.Close()
			continue
		}
		r.mu.Lock()
		r.conns = append(r.conns, client, server)
		r.mu.Unlock()
		r.copiers.Go(func() { r.copy(client, server) })
		r.copiers.Go(func() { r.copy(server, client) })
	}
}

// copy hands on what one side says, while the relay isn't paused.
func (r *relay) copy(to, from net.Conn) {
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		r.mu.Lock()
		for r.paused && !r.closed {
			r.flows.Wait()
		}
		r.mu.Unlock()
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// pause makes the relay hold back what both sides say, or hand it on again.
func (r *relay) pause(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.paused = on
	r.flows.Broadcast()
}

// cut closes all connections, and doesn't accept new ones.
func (r *relay) cut() {
	r.listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.conns {
		c.Close()
	}
}

func (r *relay) close() {
	r.cut()
	r.mu.Lock()
	r.closed = true
	r.flows.Broadcast()
	r.mu.Unlock()
	r.copiers.Wait()
}
