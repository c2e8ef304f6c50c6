package apilisten_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/svcreg/svcreg/proxyd/apilisten"
)

// streams is a client of HTTP/2 that takes nothing of any answer but what it
// allows.
type streams struct {
	t *testing.T
	*http2.Framer
	next uint32
}

func (r *running) streams() *streams {
	r.t.Helper()
	c := r.dial()
	s := &streams{t: r.t, Framer: http2.NewFramer(c, c), next: 1}
	_, err := io.WriteString(c, http2.ClientPreface)
	if err := errors.Join(err, s.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// get asks for a path, and returns the stream on which the answer comes.
func (s *streams) get(path string) uint32 {
	s.t.Helper()
	var head bytes.Buffer
	e := hpack.NewEncoder(&head)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "localhost"}, {":path", path}} {
		e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
	}
	id := s.next
	s.next += 2
	if err := s.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: head.Bytes(), EndHeaders: true, EndStream: true}); err != nil {
		s.t.Fatal(err)
	}
	return id
}

// reset reads until some streams have ended, and returns which were broken off.
func (s *streams) reset(n int) map[uint32]bool {
	s.t.Helper()
	ended := map[uint32]bool{}
	for len(ended) < n {
		frame, err := s.ReadFrame()
		if err != nil {
			s.t.Fatalf("%d streams have ended, then %v", len(ended), err)
		}
		switch f := frame.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				s.WriteSettingsAck()
			}
		case *http2.PingFrame: // the connection is as alive as can be
			if !f.IsAck() {
				s.WritePing(true, f.Data)
			}
		case *http2.RSTStreamFrame:
			ended[f.StreamID] = true
		case *http2.DataFrame:
			if f.StreamEnded() {
				ended[f.StreamID] = false
			}
		}
	}
	return ended
}

// A client of HTTP/2 that takes nothing of an answer is not waited for, however
// alive its connection is; one that has taken all is, for as long as the answer
// takes.
func TestStreamsThatTakeNothing(t *testing.T) {
	t.Parallel()
	failed := make(chan error, 2)
	r := serve(t, func(w http.ResponseWriter, q *http.Request) {
		control := http.NewResponseController(w)
		switch q.URL.Path {
		case "/endless":
			var err error
			for err == nil {
				_, err = w.Write(make([]byte, 1<<10))
			}
			failed <- err
		case "/flushed":
			_, _ = io.WriteString(w, "x")
			failed <- control.Flush()
		case "/short":
			_, _ = io.WriteString(w, "x")
		case "/slow":
			_, _ = w.Write(make([]byte, 8<<10)) // which is more than waits for a flush
			time.Sleep(1300 * time.Millisecond) // longer than it may stall
			_ = control.Flush()
			time.Sleep(1300 * time.Millisecond)
		}
	}, func(c *apilisten.Config) { c.StallTimeout = time.Second })
	s := r.streams()
	slow := s.get("/slow")
	if err := s.WriteWindowUpdate(slow, 8<<10); err != nil {
		t.Fatal(err)
	}
	stalled := []uint32{s.get("/endless"), s.get("/flushed"), s.get("/short")}
	broken := s.reset(4)
	for _, id := range stalled {
		if !broken[id] {
			t.Errorf("stream %d was not broken off", id)
		}
	}
	if broken[slow] {
		t.Error("the slow answer was broken off")
	}
	for range 2 {
		if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a handler was told %v", err)
		}
	}
}
