package registry

import (
	"maps"
	"math/rand/v2"
	"testing"
)

// hashes are what keys get hashed to in the tests: the last three make keys
// collide in all levels, in the lower ones or in the upper ones.
var hashes = map[string]func(uint16) uint64{
	"real":          hashOf[uint16],
	"all the same":  func(uint16) uint64 { return 42 },
	"last bits":     func(k uint16) uint64 { return uint64(k) << 57 },
	"first bits":    func(k uint16) uint64 { return uint64(k % 8) },
	"one after one": func(k uint16) uint64 { return uint64(k) },
}

// hashed is a Map with a hash function of choice.
type hashed struct {
	Map[uint16, int]
	hash func(uint16) uint64
}

func (m hashed) with(o *owner, k uint16, v int) hashed {
	root, added := m.root.with(o, mapEntry[uint16, int]{k, v}, m.hash(k), 0, m.hash)
	m.root = root
	if added {
		m.len++
	}
	return m
}

func (m hashed) without(o *owner, k uint16) hashed {
	root, removed := m.root.without(o, k, m.hash(k), 0)
	m.root = root
	if removed {
		m.len--
	}
	return m
}

// check compares a map with what it must hold.
func (m hashed) check(t *testing.T, want map[uint16]int) {
	t.Helper()
	if m.Len() != len(want) {
		t.Fatalf("Len is %d, want %d", m.Len(), len(want))
	}
	got := map[uint16]int{}
	for k, v := range m.All() {
		if _, twice := got[k]; twice {
			t.Fatalf("All yields %d twice", k)
		}
		got[k] = v
	}
	if !maps.Equal(got, want) {
		t.Fatalf("All yields %v, want %v", got, want)
	}
	for k := range uint16(64) {
		e := m.root.get(k, m.hash(k))
		if w, ok := want[k]; ok != (e != nil) || ok && (e.value != w || e.key != k) {
			t.Fatalf("the entry of %d is %+v, want %d, %v", k, e, w, ok)
		}
	}
	m.root.checkShape(t, true)
}

// checkShape checks what nodes promise each other.
func (n *mapNode[K, V]) checkShape(t *testing.T, root bool) {
	t.Helper()
	if n == nil {
		return
	}
	if n.entryBits&n.childBits != 0 {
		t.Fatalf("bits for both an entry and a child: %x and %x", n.entryBits, n.childBits)
	}
	if !root && len(n.children) == 0 && len(n.entries) < 2 {
		t.Fatalf("a child with %d entries", len(n.entries))
	}
	for _, c := range n.children {
		c.checkShape(t, false)
	}
}

// version is a map at some time, and what it held.
type version struct {
	hashed
	want map[uint16]int
}

// mutate applies operations, each of three bytes, and checks after each one.
// With an owner, some operations together are one change.
func mutate(t *testing.T, hash func(uint16) uint64, ops []byte, owned bool) {
	t.Helper()
	current := version{hashed{hash: hash}, map[uint16]int{}}
	versions := []version{{current.hashed, map[uint16]int{}}}
	var o *owner
	for i := 0; i+2 < len(ops); i += 3 {
		if owned && i%30 == 0 {
			o = &owner{}
			versions = append(versions, version{current.hashed, maps.Clone(current.want)})
		}
		k := uint16(ops[i+1] % 64)
		if ops[i]%3 == 0 {
			current.hashed = current.without(o, k)
			delete(current.want, k)
		} else {
			current.hashed = current.with(o, k, int(ops[i+2]))
			current.want[k] = int(ops[i+2])
		}
		current.check(t, current.want)
		if !owned {
			versions = append(versions, version{current.hashed, maps.Clone(current.want)})
		}
	}
	for _, v := range versions {
		v.check(t, v.want) // unchanged by what came later
	}
}

func TestMapAgainstModel(t *testing.T) {
	for name, hash := range hashes {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(1, 2))
			ops := make([]byte, 1500)
			for i := range ops {
				ops[i] = byte(random.Uint32())
			}
			mutate(t, hash, ops, false)
			mutate(t, hash, ops, true)
		})
	}
}

func FuzzMap(f *testing.F) {
	f.Add([]byte{1, 1, 1, 1, 2, 2, 0, 1, 0}, false)
	f.Add([]byte{1, 1, 1, 1, 33, 2, 1, 9, 3, 0, 1, 0, 0, 9, 0}, true)
	f.Fuzz(func(t *testing.T, ops []byte, owned bool) {
		ops = ops[:min(len(ops), 600)]
		for _, hash := range hashes {
			mutate(t, hash, ops, owned)
		}
	})
}

func TestMapPublicMethods(t *testing.T) {
	var empty Map[string, int]
	if _, ok := empty.Get("a"); ok || empty.Len() != 0 || empty.Without("a").Len() != 0 {
		t.Error("the zero Map isn't empty")
	}
	one := empty.With("a", 1)
	two := one.With("b", 2).With("a", 3)
	if v, ok := one.Get("a"); v != 1 || !ok || one.Len() != 1 {
		t.Errorf("a is %d, %v in a map of %d, want 1 in a map of 1", v, ok, one.Len())
	}
	if v, ok := two.Get("a"); v != 3 || !ok || two.Len() != 2 {
		t.Errorf("a is %d, %v in a map of %d, want 3 in a map of 2", v, ok, two.Len())
	}
	if got := maps.Collect(two.Without("a").All()); !maps.Equal(got, map[string]int{"b": 2}) {
		t.Errorf("without a: %v", got)
	}
	for range two.All() {
		break // must not go on
	}
}
