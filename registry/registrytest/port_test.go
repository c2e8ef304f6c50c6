package registrytest_test

import (
	"net"
	"testing"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// Of many that ask, each gets an address of its own, at which it can listen.
func TestFreeAddress(t *testing.T) {
	seen := map[string]bool{}
	for range 500 {
		addr := registrytest.FreeAddress(t)
		if seen[addr] {
			t.Fatalf("%s is given twice", addr)
		}
		seen[addr] = true
	}
	for addr := range seen {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Error(err)
			continue
		}
		_ = l.Close()
	}
}
