//go:build linux

// Package measure has the measures of the data plane's benchmark. Each builds
// networks of its own, and leaves nothing behind.
package measure

import (
	"time"

	"github.com/svcreg/svcreg/bench/dataplane/report"
	"github.com/svcreg/svcreg/bench/dataplane/services"
	"github.com/svcreg/svcreg/bench/dataplane/shape"
)

// Settings say how much is measured.
type Settings struct {
	Rounds int
	// Bouts are how often new flows are measured in a round, to each target,
	// and FlowTime is how long each is: short ones, as the median then is of
	// some that nothing disturbed. ConnectBouts are those of connections.
	Bouts        int
	FlowTime     time.Duration
	ConnectBouts int
	ConnectTime  time.Duration
	Changes      int           // to the kernel in a round; fewer where they are slow
	Settle       time.Duration // between two looks at the memory of the kernel
	Starts       int           // of each daemon
	Idle         time.Duration // of a daemon
	Samples      int           // changes that are timed with nothing else going on; fewer where they are slow
	BusyTime     time.Duration // how long changes are timed among others
	BusyRate     int           // changes a second, of those others
}

// Measurer measures.
type Measurer struct {
	Settings Settings
	Shapes   []shape.Shape
	// Etcd and Proxyd are the programs.
	Etcd, Proxyd string
	// Results take what is found.
	Results *report.Results
	// Log is told what is going on.
	Log func(format string, args ...any)
}

// patience is how long anything may take that is waited for.
const patience = 2 * time.Minute

// size returns how large a fleet is.
func size(f *services.Fleet) report.Size {
	return report.Size{Services: f.Len(), Endpoints: f.Endpoints}
}

// seconds returns times as numbers.
func seconds(times []time.Duration) []float64 {
	var values []float64
	for _, t := range times {
		values = append(values, t.Seconds())
	}
	return values
}
