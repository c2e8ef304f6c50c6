//go:build linux

package nftables

import (
	"errors"
	"maps"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// What the kernel says to a transaction is told, all of it undone where it
// refuses a part, and the socket can be used on.
func TestTransactions(t *testing.T) {
	f := newFleet(t)
	f.sync(true, service("a", "clusterIP: 10.0.0.1, "+ports, "10.1.1.2"))
	r := f.rules
	var good []element
	for rule := range r.Rules() {
		if rule.Protocol == registry.TCP {
			elements(&rule, func(e element) { good = append(good, e) })
		}
	}
	at := good[len(good)-1] // of frontends
	at.key = "\x0a\x00\x00\x63" + at.key[4:]
	short := element{set: frontends, key: "short", value: at.value}
	dangling := element{set: frontends, key: "\x0a\x00\x00\x64" + at.key[4:], value: at.value}
	k := &real{}
	f.node.Do(func() {
		for _, step := range []struct {
			name       string
			gone, come []element
			want       error
		}{
			{"what stands", nil, good, nil},
			{"one more", nil, []element{at}, nil},
			{"a key too short, after a good one", nil, []element{{set: at.set, key: "\x0a\x00\x00\x65" + at.key[4:], value: at.value}, short}, syscall.EINVAL},
			{"one that isn't there", []element{dangling}, nil, syscall.ENOENT},
			{"one that went with another", []element{at}, nil, nil},
			{"and again", []element{at}, nil, syscall.ENOENT},
			{"nothing", nil, nil, nil},
		} {
			before, _ := k.generation()
			used := k.socket
			err := k.commit(rules.IPv4, step.gone, step.come)
			if !errors.Is(err, step.want) {
				t.Errorf("%s: %v, want %v", step.name, err, step.want)
			}
			made := uint32(0)
			if err == nil && step.name != "what stands" && step.name != "nothing" {
				made = 1
			}
			if after, err := k.generation(); err != nil || after != before+made || k.socket != used {
				t.Errorf("%s: generation %d after %d, %v, on the same socket %v", step.name, after, before, err, k.socket == used)
			}
		}
		if s, err := k.read(rules.IPv4); err != nil || len(s.elements[frontends]) != 2 {
			t.Errorf("at the end stand %v, %v; want two frontends", s, err)
		}
		if _, err := k.read(rules.IPv6); err != nil {
			t.Error(err)
		}
		before, _ := k.generation()
		err := k.replace(rules.IPv4, []element{at})
		after, _ := k.generation()
		s, readErr := k.read(rules.IPv4)
		if err := errors.Join(err, readErr); err != nil || after != before+1 || !maps.Equal(s.elements[frontends], map[string]string{at.key: at.value}) || len(s.elements[endpoints]) != 0 {
			t.Errorf("replaced: %v, generation %d after %d, stand %v; want one transaction, and one frontend", err, after, before, s)
		}
		if err := k.replace(rules.IPv4, []element{short}); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("replaced by a key too short: %v, want %v", err, syscall.EINVAL)
		}
		if after, err := k.read(rules.IPv4); err != nil || !cmp.Equal(s, after) {
			t.Errorf("after a refusal stand %v, %v; want what stood", after, err)
		}
		_ = k.socket.file.Close()
		if err := k.commit(rules.IPv4, nil, []element{at}); err == nil || k.socket != nil {
			t.Errorf("over a closed socket: %v", err)
		}
		if err := k.commit(rules.IPv4, nil, []element{at}); err != nil {
			t.Errorf("after that: %v", err)
		}
	})
}
