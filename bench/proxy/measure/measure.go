// Package measure has the measures of the proxy path's benchmark: throughput
// with latencies, and the memory of idle WebSockets.
package measure

import (
	"time"

	"github.com/svcreg/svcreg/bench/proxy/lab"
	"github.com/svcreg/svcreg/bench/proxy/report"
)

// Settings say how much is measured.
type Settings struct {
	Rounds      int
	RoundTime   time.Duration // of each load in a round; whole seconds
	Connections int           // of wrk
	ServerCore  int           // processors, counted from 1
	ClientCore  int
	Sockets     int           // that are idle
	Repeat      int           // starts of each server, for their memory
	Settle      time.Duration // until memory is looked at
}

// Measurer measures in a lab.
type Measurer struct {
	Lab      *lab.Lab
	Settings Settings
	// Results take what is found.
	Results *report.Results
	// Log is told what is going on.
	Log func(format string, args ...any)
}
