// Package measure has the measures of the benchmark: throughput, memory, start
// and change. Each takes a lab and returns results.
package measure

import (
	"time"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/lab"
)

// Settings say how much is measured.
type Settings struct {
	Rounds     int           // of throughput
	RoundTime  time.Duration // of each measure in a round
	Kinds      []fleet.Kind
	ServerCore int // processors, counted from 1
	ClientCore int
	Repeat     int           // starts of each server, for start and memory
	Settle     time.Duration // between load and a look at memory
	Samples    int           // changes of each kind that are timed while all is quiet
	LoadTime   time.Duration // how long changes are timed under load
	LoadQPS    int
	LoadRate   int // changes a second
}

// Measurer measures in a lab.
type Measurer struct {
	Lab      *lab.Lab
	Settings Settings
	// Log is told what is going on.
	Log func(format string, args ...any)
}

// patience is how long a server may take for its first right answer, and for
// one to appear.
const patience = 2 * time.Minute

// fileOf returns where the questions of a kind are for dnsperf.
func (m *Measurer) fileOf(k fleet.Kind) string {
	return m.Lab.Path("questions " + string(k))
}
