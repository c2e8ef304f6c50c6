package rules

import (
	"fmt"
	"strings"
)

// String returns the rule in one line, such as
//
//	192.0.2.1:80/TCP my-ns/web:http external → 10.1.0.1:8080 10.1.0.2:8080*3
//
// for a public address whose second backend has three times the weight of the
// first. In place of backends may stand "refuse" or "drop". What is true of
// some rules only stands before the arrow: "from 198.51.100.0/24", "affinity
// 3h0m0s"; and "; outside → 10.1.0.1:8080" at the end.
func (r Rule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %v", r.Frontend, r.Service)
	if r.PortName != "" {
		b.WriteString(":" + r.PortName)
	}
	if r.External {
		b.WriteString(" external")
	}
	for i, p := range r.Sources {
		b.WriteString([]string{" from ", ","}[min(i, 1)] + p.String())
	}
	if r.Affinity > 0 {
		fmt.Fprintf(&b, " affinity %v", r.Affinity)
	}
	b.WriteString(" → " + r.Target.String())
	if r.Outside != nil {
		b.WriteString("; outside → " + r.Outside.String())
	}
	return b.String()
}

// String returns the backends with spaces between them, "refuse" or "drop".
func (t Target) String() string {
	switch {
	case len(t.Backends) > 0:
	case t.Drop:
		return "drop"
	default:
		return "refuse"
	}
	var b strings.Builder
	for i, to := range t.Backends {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(to.AddrPort.String())
		if to.Weight != 1 {
			fmt.Fprintf(&b, "*%d", to.Weight)
		}
	}
	return b.String()
}
