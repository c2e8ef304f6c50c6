// Package report holds what the data plane's benchmark found, and shows it as
// tables and as a chart. It is pure: results that were kept can be shown again.
package report

import (
	"fmt"
	"time"

	"github.com/svcreg/svcreg/bench/dataplane/shape"
)

// Results is all that a run found.
type Results struct {
	Time    time.Time `json:"time"`
	Machine Machine   `json:"machine"`
	Figures []Figure  `json:"figures"`
}

// Machine is where the benchmark ran, and with what.
type Machine struct {
	CPU      string `json:"cpu"`
	Cores    int    `json:"cores"`
	Kernel   string `json:"kernel"`
	Go       string `json:"go"`
	IPTables string `json:"iptables"`
	NFTables string `json:"nftables"`
}

// Measure is what was measured.
type Measure string

// The measures, with their units.
const (
	FlowFirst   Measure = "new flow, first service"          // seconds
	FlowLast    Measure = "new flow, last service"           // seconds
	FlowNone    Measure = "new flow, no service"             // seconds
	Connections Measure = "connections a second"             // a second
	Connect     Measure = "connect, p50"                     // seconds
	Load        Measure = "full load"                        // seconds
	Change      Measure = "one change"                       // seconds
	Memory      Measure = "memory of the kernel"             // bytes
	Start       Measure = "start"                            // seconds
	Restart     Measure = "restart"                          // seconds
	Resident    Measure = "resident"                         // bytes
	Idle        Measure = "idle"                             // processors
	EndToEnd    Measure = "end to end"                       // seconds
	Busy        Measure = "end to end, with changes"         // seconds
	BusyRate    Measure = "changes a second of that measure" // a second
)

// Size is how much there is in a registry.
type Size struct {
	Services  int `json:"services"`
	Endpoints int `json:"endpoints"` // of each service
}

// String returns "10000 × 5".
func (s Size) String() string { return fmt.Sprintf("%d × %d", s.Services, s.Endpoints) }

// Figure is what one measure found for one shape at one size.
type Figure struct {
	Measure Measure    `json:"measure"`
	Shape   shape.Name `json:"shape"`
	Size
	// Values are in the order of the run: those of other shapes at the same
	// position were measured next to them.
	Values []float64 `json:"values"`
}

// Add appends values to those of a measure, a shape and a size.
func (r *Results) Add(m Measure, s shape.Name, size Size, values ...float64) {
	for i, f := range r.Figures {
		if f.Measure == m && f.Shape == s && f.Size == size {
			r.Figures[i].Values = append(f.Values, values...)
			return
		}
	}
	r.Figures = append(r.Figures, Figure{m, s, size, values})
}

// Find returns the values of a measure, a shape and a size; nil if there are
// none.
func (r *Results) Find(m Measure, s shape.Name, size Size) []float64 {
	for _, f := range r.Figures {
		if f.Measure == m && f.Shape == s && f.Size == size {
			return f.Values
		}
	}
	return nil
}
