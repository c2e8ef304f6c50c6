package measure

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/lab"
)

// asker asks one question again and again, as fast as the server answers.
type asker struct {
	conn   *net.UDPConn
	query  []byte
	buffer []byte
}

func newAsker(s *lab.Server, q fleet.Question) (*asker, error) {
	query, err := new(dns.Msg).SetQuestion(q.Name, q.Type).Pack()
	if err != nil {
		return nil, fmt.Errorf("ask for %s: %w", q.Name, err)
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(s.Addr))
	if err != nil {
		return nil, err
	}
	return &asker{conn, query, make([]byte, dns.MinMsgSize)}, nil
}

func (a *asker) close() { _ = a.conn.Close() } // nothing is lost

// ask returns the next reply that comes within some time of the question. It
// can be that to an earlier question.
func (a *asker) ask(within time.Duration) (*dns.Msg, error) {
	if _, err := a.conn.Write(a.query); err != nil {
		return nil, err
	}
	if err := a.conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return nil, err
	}
	n, err := a.conn.Read(a.buffer)
	if err != nil {
		return nil, err
	}
	reply := new(dns.Msg)
	return reply, reply.Unpack(a.buffer[:n])
}

// until asks until a reply is accepted, and returns when that came. Between
// two questions is the pause, whatever comes back. Without a pause the next
// question follows the answer.
func (a *asker) until(ctx context.Context, s *lab.Server, pause time.Duration, accept func(*dns.Msg) error) (time.Time, error) {
	within := pause
	if pause == 0 {
		within = time.Second
	}
	last := errors.New("no answer")
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		asked := time.Now()
		reply, err := a.ask(within)
		came := time.Now()
		if err == nil {
			err = accept(reply)
		}
		if err == nil {
			return came, nil
		}
		last = err
		if err := errors.Join(ctx.Err(), s.Err()); err != nil {
			return came, err
		}
		time.Sleep(time.Until(asked.Add(pause)))
	}
	return time.Time{}, fmt.Errorf("%s: %w", s.Peer, last)
}

// right returns what tells whether a reply is right, for a server. Those that
// know no services are right if they don't fail.
func right(s *lab.Server, q fleet.Question) func(*dns.Msg) error {
	if s.Peer.Answers() {
		return q.Check
	}
	return func(reply *dns.Msg) error {
		if reply.Rcode == dns.RcodeServerFailure {
			return fmt.Errorf("%s: %s", s.Peer, dns.RcodeToString[reply.Rcode])
		}
		return nil
	}
}

// firstAnswer waits for a server's first right answer, and returns when that
// came.
func firstAnswer(ctx context.Context, s *lab.Server, q fleet.Question) (time.Time, error) {
	a, err := newAsker(s, q)
	if err != nil {
		return time.Time{}, err
	}
	defer a.close()
	return a.until(ctx, s, time.Millisecond, right(s, q))
}
