package apilisten

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// steadyBody is a request's body of which the next part must come in time,
// until the answer has begun: from then on both sides may talk as they like.
type steadyBody struct {
	io.ReadCloser
	stall   time.Duration
	control *http.ResponseController
	// free says that there is no hurry any more, ended that there is nothing
	// left to wait for.
	free, ended atomic.Bool
}

// Read implements io.Reader. Once the body has ended the client may be silent:
// it waits for the answer. Where it broke off, the time that has run out stays
// so, or net/http would wait for the rest without end.
func (b *steadyBody) Read(p []byte) (int, error) {
	if !b.free.Load() {
		b.within(b.stall)
		if b.free.Load() { // just now
			b.within(0)
		}
	}
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		b.ended.Store(true)
		b.within(0)
	}
	return n, err
}

// answered says that the answer has begun.
func (b *steadyBody) answered() {
	if b != nil && !b.free.Swap(true) {
		b.within(0)
	}
}

// done says that the handler has no use for the rest, if there is any. net/http
// reads some of it.
func (b *steadyBody) done() {
	if b != nil && !b.ended.Load() {
		b.within(b.stall)
	}
}

// within sets the time for the next part to come; 0 for any.
func (b *steadyBody) within(d time.Duration) {
	deadline := time.Time{}
	if d > 0 {
		deadline = time.Now().Add(d)
	}
	_ = b.control.SetReadDeadline(deadline) // fails only once the connection has another owner
}
