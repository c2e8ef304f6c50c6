package proxyd

import (
	"encoding/json"
	"net/http"
	"time"
)

// maxLateness is how long a change may wait for the kernel before proxyd calls
// itself unhealthy, unless twice the full-sync period is less.
const maxLateness = time.Minute

// health answers whether proxyd does its work.
type health struct {
	inbox    *inbox
	told     *teller
	lateness time.Duration
	// registry says how the registry is read.
	registry func() registryHealth
}

// report is the body of every answer.
type report struct {
	Healthy bool `json:"healthy"`
	Ready   bool `json:"ready"`
	// NodeEligible says that the node isn't about to go: load balancers may
	// send it new connections.
	NodeEligible bool `json:"nodeEligible"`
	// LastSync is when the kernel was last in step; WaitingSince is when the
	// oldest change came that it lacks.
	LastSync     time.Time      `json:"lastSync,omitzero"`
	WaitingSince time.Time      `json:"waitingSince,omitzero"`
	Registry     registryHealth `json:"registry"`
}

// registryHealth says what proxyd knows of the registry. That etcd is away is
// told, but makes nothing unhealthy: all that stood goes on working.
type registryHealth struct {
	Synced   bool  `json:"synced"`
	FromDisk bool  `json:"fromDisk"`
	Revision int64 `json:"revision"`
	// leaving says that this node is about to go.
	leaving bool
}

// healthy reports whether changes reach the kernel in time.
func (h *health) healthy() bool {
	waiting, _ := h.inbox.waiting()
	return waiting.IsZero() || time.Since(waiting) <= h.lateness
}

func (h *health) report() report {
	waiting, _ := h.inbox.waiting()
	known := h.registry()
	r := report{
		Healthy:      h.healthy(),
		Ready:        h.told.ready.Load(),
		NodeEligible: !known.leaving,
		WaitingSince: waiting,
		Registry:     known,
	}
	if last := h.told.lastSync.Load(); last != 0 {
		r.LastSync = time.Unix(0, last)
	}
	return r
}

// ServeHTTP answers 200 or 503: /livez says whether changes reach the kernel in
// time, /healthz also whether the node isn't about to go, /readyz whether all
// rules have stood once. As kube-proxy has it, /healthz is for load balancers and
// /livez for whoever restarts proxyd.
func (h *health) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r := h.report()
	ok := r.Healthy
	switch req.URL.Path {
	case "/healthz":
		ok = r.Healthy && r.NodeEligible
	case "/livez":
	case "/readyz":
		ok = r.Ready
	default:
		http.NotFound(w, req)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(r) // the client may be gone
}
