// Package report holds what the benchmark found, and shows it as tables and as
// a chart. It is pure: what is shown is a function of the results, so that
// results that were kept can be shown again.
package report

import (
	"time"

	"github.com/svcreg/svcreg/bench/fleet"
	"github.com/svcreg/svcreg/bench/peers"
)

// Results is all that a run found. Parts that weren't measured are empty.
type Results struct {
	Time     time.Time `json:"time"`
	Machine  Machine   `json:"machine"`
	Services int       `json:"services"`
	// Endpoints is how many each service has.
	Endpoints  int          `json:"endpoints"`
	Encoding   string       `json:"encoding"` // of etcd's values
	Pods       bool         `json:"pods"`     // servers verify pods
	Throughput []Throughput `json:"throughput,omitempty"`
	Memory     []Memory     `json:"memory,omitempty"`
	Start      []Start      `json:"start,omitempty"`
	Change     []Change     `json:"change,omitempty"`
}

// Machine is where the benchmark ran, and with what.
type Machine struct {
	CPU     string `json:"cpu"`
	Cores   int    `json:"cores"`
	Kernel  string `json:"kernel"`
	Go      string `json:"go"`
	CoreDNS string `json:"coredns"`
}

// Mode says what bounds a server.
type Mode string

const (
	// ServerBound means that the server has one core and the load another.
	ServerBound Mode = "server-bound"
	// Unpinned means that all use all cores.
	Unpinned Mode = "unpinned"
)

// Throughput is how fast a server answered one kind of question.
type Throughput struct {
	Mode   Mode       `json:"mode"`
	Kind   fleet.Kind `json:"kind"`
	Server peers.Peer `json:"server"`
	// Rounds are in the order of the run: the same position in another
	// server's rounds was measured next to it.
	Rounds []Round `json:"rounds"`
}

// Round is one run of dnsperf.
type Round struct {
	QPS     float64 `json:"qps"`
	CPU     float64 `json:"cpu"`      // seconds per 100k queries, the server's
	EtcdCPU float64 `json:"etcd_cpu"` // the same of etcd
	Busy    float64 `json:"busy"`     // processors that the server kept busy
	Lost    int     `json:"lost"`     // queries without an answer
}

// Memory is what a server had resident.
type Memory struct {
	Services int        `json:"services"`
	Server   peers.Peer `json:"server"`
	RSS      []float64  `json:"rss"` // bytes, of each repetition
}

// Start is how long it took a server to answer rightly after its process was
// started.
type Start struct {
	Services int        `json:"services"`
	Server   peers.Peer `json:"server"`
	Seconds  []float64  `json:"seconds"` // of each repetition
}

// Change is how long it took from an acknowledged write to the new answer.
type Change struct {
	Server peers.Peer `json:"server"`
	What   string     `json:"what"` // what was changed
	// Changes and QPS are the load that was kept up meanwhile, each a second;
	// 0 for a quiet server.
	Changes float64   `json:"changes"`
	QPS     float64   `json:"qps"`
	Seconds []float64 `json:"seconds"` // of each change
}
