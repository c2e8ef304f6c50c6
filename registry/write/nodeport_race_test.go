package write_test

import (
	"fmt"
	"testing"

	"github.com/svcreg/svcreg/registry/write"
)

// TestConcurrentWritersNeverShareANodePort has writers of their own fill a
// range, all at the same moment.
func TestConcurrentWritersNeverShareANodePort(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	const writers = 100
	s.must(s.SetNodePorts(t.Context(), write.PortRange{First: 1000, Last: 1000 + writers - 1}))
	for _, err := range s.atOnce(writers, func(name string) string { return today(name, "NodePort", one) }) {
		s.must(err)
	}
	holders := map[int]int{}
	for i := range writers {
		port := s.nodePorts(fmt.Sprintf("web-%d", i))[0]
		if other, held := holders[port]; held || port < 1000 || port >= 1000+writers {
			t.Errorf("services %d and %d have node port %d", other, i, port)
		}
		holders[port] = i
	}
	s.consistent(writers)
	s.refused(today("more", "NodePort", one), "range is full")
}

// TestConcurrentWritersOfOneNodePort all name the same.
func TestConcurrentWritersOfOneNodePort(t *testing.T) {
	s := newStore(t, "10.0.0.0/24")
	s.oneWins(s.atOnce(30, func(name string) string { return today(name, "NodePort", onNode(30080)) }), func(err error) {
		s.failed(err, "provided port is already allocated")
	})
}

func TestInterleavedNodePorts(t *testing.T) {
	tests := []struct {
		name  string
		other func(*store) // what somebody does meanwhile
		spec  string
		err   string // "" if the write is made
	}{
		{"the last is taken", func(s *store) { s.want(write.Created, today("other", "NodePort", one)) }, one, "range is full"},
		{"the named one is taken", func(s *store) { s.want(write.Created, today("other", "NodePort", onNode(1001))) }, onNode(1001), "service my-ns/other holds it"},
		{"the range becomes another", func(s *store) { s.must(s.SetNodePorts(s.t.Context(), write.PortRange{First: 2000, Last: 2000})) }, onNode(1001), "not in the valid range"},
		{"another is set free", func(s *store) { s.must(s.Delete(s.t.Context(), serviceRef("my-ns", "web"))) }, one, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t, "10.0.0.0/24")
			s.must(s.SetNodePorts(t.Context(), write.PortRange{First: 1000, Last: 1001}))
			s.want(write.Created, today("web", "NodePort", onNode(1000)))
			acted := false
			_, err := applyTo(t.Context(), s.whileWriting(func() { acted = true; tt.other(s) }), today("third", "NodePort", tt.spec))
			if !acted {
				t.Fatal("nobody came between")
			}
			if tt.err == "" {
				s.must(err)
			} else {
				s.failed(err, tt.err)
			}
		})
	}
}
