//go:build linux

package network

import (
	"net"
	"os"
	"strings"
	"testing"
)

// open returns a network that goes away with the test. It skips the test where
// there can be none.
func open(t *testing.T) *Network {
	t.Helper()
	if err := Check(); err != nil {
		t.Skip(err)
	}
	n, err := Open(t.Context())
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// All endpoints are reached by way of the node, and see the client.
func TestReachesEndpoints(t *testing.T) {
	n := open(t)
	var listener net.Listener
	err := n.Pods.Do(func() (err error) {
		listener, err = net.Listen("tcp4", ":80")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for _, addr := range []string{"10.128.0.1:80", "10.191.255.254:80"} {
		conn, err := n.Client.Dial(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		server, err := listener.Accept()
		if err != nil || server.RemoteAddr().String() != conn.LocalAddr().String() {
			t.Errorf("%s: got %v, %v", addr, server.RemoteAddr(), err)
		}
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	n := open(t)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir("/run/netns")
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range left {
		if strings.HasPrefix(one.Name(), strings.TrimSuffix(string(n.Client), "client")) {
			t.Errorf("%s is left", one.Name())
		}
	}
}
