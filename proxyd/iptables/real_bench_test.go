package iptables

import (
	"fmt"
	"testing"
)

// BenchmarkReal carries out services of five endpoints each in the kernel of a
// network namespace: all of them at once, a full Sync of what stands already,
// and one endpoint swapped.
func BenchmarkReal(b *testing.B) {
	for _, backend := range []string{ModeNFT, ModeLegacy} {
		for _, n := range []int{1_000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", backend, n), func(b *testing.B) { benchReal(b, backend, n) })
		}
	}
}

func benchReal(b *testing.B, backend string, n int) {
	l := newBareLab(b, backend)
	services := many(n, 5)
	w := newWorld(services...)
	p := l.proxier(b, Config{})
	full := func() {
		if err := p.Sync(b.Context(), w.rules, nil, nil); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("load", func(b *testing.B) {
		for b.Loop() {
			full()
			b.StopTimer()
			if _, err := l.kernel(b).cleanup(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	})
	full()
	b.Run("reconcile", func(b *testing.B) {
		for b.Loop() {
			full()
		}
	})
	b.Run("change", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			s := services[i%n]
			s.backends = append([]string{fmt.Sprintf("10.250.0.%d", 1+i%250)}, s.backends[1:]...)
			w.put(s)
			if err := p.Sync(b.Context(), w.rules, w.changed, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
