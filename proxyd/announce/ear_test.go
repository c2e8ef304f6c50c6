package announce_test

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/mdlayher/packet"
)

// ear asks for an address again and again, and notes who answers or announces.
type ear struct {
	conn  *packet.Conn
	done  chan struct{}
	tasks sync.WaitGroup
	mu    sync.Mutex
	turns []turn // one for each time that another speaks
}

// turn is a time in which one host spoke.
type turn struct {
	mac         string
	first, last time.Time
	frames      int
}

// listen begins to ask for an IPv4 address from outside.
func (s *segment) listen(addr string) *ear {
	s.tb.Helper()
	e := &ear{done: make(chan struct{})}
	var own net.HardwareAddr
	s.out.Do(func() {
		ifi, err := net.InterfaceByName("lan")
		if err != nil {
			s.tb.Fatal(err)
		}
		own = ifi.HardwareAddr
		if e.conn, err = packet.Listen(ifi, packet.Raw, 0x0806, nil); err != nil {
			s.tb.Fatal(err)
		}
	})
	target := netip.MustParseAddr(addr).As4()
	everybody := net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	question := append(append(append([]byte{}, everybody...), own...), 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	question = append(append(append(question, own...), 192, 0, 2, 1), 0, 0, 0, 0, 0, 0)
	question = append(question, target[:]...)
	e.tasks.Go(func() {
		for {
			select {
			case <-e.done:
				return
			case <-time.After(10 * time.Millisecond):
				_, _ = e.conn.WriteTo(question, &packet.Addr{HardwareAddr: everybody})
			}
		}
	})
	e.tasks.Go(func() { e.hear(target) })
	s.tb.Cleanup(e.close)
	return e
}

func (e *ear) hear(target [4]byte) {
	buffer := make([]byte, 1500)
	for {
		n, _, err := e.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		if n < 42 || [4]byte(buffer[28:32]) != target {
			continue
		}
		from, now := net.HardwareAddr(buffer[22:28]).String(), time.Now()
		e.mu.Lock()
		if len(e.turns) == 0 || e.turns[len(e.turns)-1].mac != from {
			e.turns = append(e.turns, turn{mac: from, first: now})
		}
		last := &e.turns[len(e.turns)-1]
		last.last = now
		last.frames++
		e.mu.Unlock()
	}
}

func (e *ear) heard() []turn {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]turn(nil), e.turns...)
}

// hears reports whether it is a node that spoke last, and some time.
func (e *ear) hears(n *nodeProcess) bool {
	turns := e.heard()
	return len(turns) > 0 && turns[len(turns)-1].mac == n.mac && turns[len(turns)-1].frames >= 20
}

func (e *ear) close() {
	select {
	case <-e.done:
		return
	default:
	}
	close(e.done)
	e.conn.Close()
	e.tasks.Wait()
}
