package apilisten

import (
	"io"
	"net/http"
	"time"
)

// steadyBody is a request's body of which the next part must come in time.
type steadyBody struct {
	io.ReadCloser
	stall   time.Duration
	control *http.ResponseController
}

// Read implements io.Reader. Once the body has ended, or broken off, the client
// may be silent again: it waits for the answer.
func (b *steadyBody) Read(p []byte) (int, error) {
	_ = b.control.SetReadDeadline(time.Now().Add(b.stall)) // fails only once the connection has another owner
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
