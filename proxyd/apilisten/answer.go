package apilisten

import (
	"bufio"
	"net"
	"net/http"
	"time"
)

// answer notes the status of an answer; 0 stands for none. It gives up on a
// client of HTTP/2 that takes nothing of it: all share a connection there, which
// is as busy as before.
type answer struct {
	http.ResponseWriter
	code int
	body *steadyBody // of the request; nil if it has none
	// stall is how long a client may take nothing, if it isn't the connection
	// that sees to it; else zero.
	stall time.Duration
	begun bool // to write a body
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) {
	if code >= 200 || code == http.StatusSwitchingProtocols {
		a.code = code
		a.body.answered()
	}
	a.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (a *answer) Write(p []byte) (int, error) {
	if a.code == 0 {
		a.code = http.StatusOK
		a.body.answered()
	}
	a.begun = true
	a.within(a.stall)
	defer a.within(0)
	return a.ResponseWriter.Write(p)
}

// FlushError is for http.ResponseController.
func (a *answer) FlushError() error {
	a.within(a.stall)
	defer a.within(0)
	return http.NewResponseController(a.ResponseWriter).Flush()
}

// done says that the handler has written all. net/http still holds some of it.
func (a *answer) done() {
	if a.begun {
		a.within(a.stall)
	}
}

// within sets the time for the client to take what is written next; 0 for any.
func (a *answer) within(d time.Duration) {
	if a.stall == 0 {
		return
	}
	deadline := time.Time{}
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	_ = http.NewResponseController(a.ResponseWriter).SetWriteDeadline(deadline) // HTTP/2's never fails
}

// Hijack implements http.Hijacker: whoever takes the connection over switches
// its protocol.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(a.ResponseWriter).Hijack()
	if err == nil && a.code == 0 {
		a.code = http.StatusSwitchingProtocols
	}
	return conn, rw, err
}
