// Package report holds what the benchmark of the proxy path found, and shows it
// as tables and as a chart. It is pure: results that were kept can be shown
// again.
package report

import "time"

// Results is all that a run found.
type Results struct {
	Time    time.Time `json:"time"`
	Machine Machine   `json:"machine"`
	// Small and Large are the bytes of the two bodies.
	Small       int      `json:"small"`
	Large       int      `json:"large"`
	Connections int      `json:"connections"`
	Sockets     int      `json:"sockets"`
	Figures     []Figure `json:"figures"`
}

// Machine is where the benchmark ran, and with what.
type Machine struct {
	CPU     string `json:"cpu"`
	Cores   int    `json:"cores"`
	Kernel  string `json:"kernel"`
	Go      string `json:"go"`
	NGINX   string `json:"nginx"`
	HAProxy string `json:"haproxy"`
}

// Server is what stands between the clients and the backend.
type Server string

// The servers. Backend is the backend itself, and Quiet proxyd without its
// audit log.
const (
	Backend Server = "backend"
	Reverse Server = "ReverseProxy"
	Proxyd  Server = "proxyd"
	Quiet   Server = "proxyd, no audit"
	NGINX   Server = "nginx"
	HAProxy Server = "HAProxy"
)

// Servers are all of them, in the order of the tables.
var Servers = []Server{Backend, NGINX, HAProxy, Reverse, Proxyd, Quiet}

// IsOurs reports whether a server is proxyd.
func (s Server) IsOurs() bool { return s == Proxyd || s == Quiet }

// TakesSockets reports whether the memory of a server with idle sockets is of
// interest.
func (s Server) TakesSockets() bool { return s != Backend && s != Quiet }

// Lane is where and how a figure came to be.
type Lane string

// The lanes: a core for the server and another for all else, or all sharing
// all cores; with many connections or only one; and sockets that are idle.
const (
	Small         Lane = "small bodies"
	Large         Lane = "large bodies"
	SmallAlone    Lane = "small bodies, one connection"
	LargeAlone    Lane = "large bodies, one connection"
	SmallUnpinned Lane = "small bodies, unpinned"
	LargeUnpinned Lane = "large bodies, unpinned"
	Sockets       Lane = "idle sockets"
)

// Measure is what was measured.
type Measure string

// The measures, with their units.
const (
	Rate   Measure = "requests a second"   // a second
	P50    Measure = "latency, p50"        // seconds
	P99    Measure = "latency, p99"        // seconds
	CPU    Measure = "CPU of a request"    // seconds
	Busy   Measure = "busy"                // processors
	Empty  Measure = "memory before"       // bytes
	Filled Measure = "memory with sockets" // bytes
)

// Figure is what one measure found for one server in one lane.
type Figure struct {
	Lane    Lane    `json:"lane"`
	Server  Server  `json:"server"`
	Measure Measure `json:"measure"`
	// Values are in the order of the run: those of other servers at the same
	// position were measured next to them.
	Values []float64 `json:"values"`
}

// Add appends a value to those of a lane, a server and a measure.
func (r *Results) Add(l Lane, s Server, m Measure, value float64) {
	for i, f := range r.Figures {
		if f.Lane == l && f.Server == s && f.Measure == m {
			r.Figures[i].Values = append(f.Values, value)
			return
		}
	}
	r.Figures = append(r.Figures, Figure{l, s, m, []float64{value}})
}

// Find returns the values of a lane, a server and a measure; nil if there are
// none.
func (r *Results) Find(l Lane, s Server, m Measure) []float64 {
	for _, f := range r.Figures {
		if f.Lane == l && f.Server == s && f.Measure == m {
			return f.Values
		}
	}
	return nil
}
