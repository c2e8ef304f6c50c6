package registrytest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// FreeAddress returns an address of loopback whose port is free, for TCP and
// UDP, and which no other test gets until this one ends, whether somebody
// listens there meanwhile or not. The port lies below those that the kernel
// hands out by itself: no client that tries to reach it gets it either.
func FreeAddress(tb testing.TB) string {
	tb.Helper()
	for range 1000 {
		addr := fmt.Sprintf("127.0.0.1:%d", 20000+rand.IntN(12000))
		// A name that is gone with whoever has it, also if he is killed.
		mine, err := net.Listen("unix", "@svcreg-test-"+addr)
		if err != nil {
			continue
		}
		if isFree(addr) {
			tb.Cleanup(func() { _ = mine.Close() })
			return addr
		}
		_ = mine.Close()
	}
	tb.Fatal("no free port")
	return ""
}

func isFree(addr string) bool {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	defer func() { _ = l.Close() }()
	c, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}
