package announce_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// BenchmarkFailOver measures how long a client outside gets no connection to an
// address after its node died: from the last that succeeded to the first that
// did so again. A node dies at a moment of its lease that is drawn at random:
// both its cables are pulled, so that nobody is told, and its process is
// killed. The goal is a p99 of three seconds.
//
//	go test -run - -bench FailOver -benchtime 30x ./proxyd/announce
func BenchmarkFailOver(b *testing.B) {
	s := newSegment(b)
	s.all()
	s.settle()
	var outages []time.Duration
	for b.Loop() {
		outages = append(outages, s.failOver(vip))
	}
	slices.Sort(outages)
	at := func(share float64) float64 {
		return outages[int(share*float64(len(outages)-1)+0.5)].Seconds()
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(at(0.5), "p50-s")
	b.ReportMetric(at(0.99), "p99-s")
	b.ReportMetric(at(1), "max-s")
}

// failOver has the node die that announces an address, returns how long nobody
// could connect to it, and has the node live again.
func (s *segment) failOver(addr string) time.Duration {
	s.tb.Helper()
	first := s.holder(addr)
	k := s.knock(addr + ":80")
	time.Sleep(rand.N(time.Second))
	s.lab.Unplug("lan", first.Host)
	s.lab.Unplug("back", first.Host)
	first.kill()
	dead := time.Now()
	s.holder(addr, first.Name())
	s.eventually("connected again", func() bool { return k.since(dead.Add(500 * time.Millisecond)) })
	outage := k.outage()
	s.lab.Plug("lan", first.Host)
	s.lab.Plug("back", first.Host)
	first.start()
	s.all()
	s.settle()
	return outage
}
