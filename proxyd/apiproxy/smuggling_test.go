package apiproxy

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Requests that two servers may read differently are refused, or reach the
// endpoint as one that they can't. net/http does this; the tests hold it.
func TestSmuggling(t *testing.T) {
	var mu sync.Mutex
	var got []string
	h := newHarness(t, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got = append(got, fmt.Sprintf("%s %s %d %v %s", r.Method, r.RequestURI, r.ContentLength, r.TransferEncoding, body))
	})
	const line = "POST " + servicePath + "/x HTTP/1.1\r\nHost: h\r\n"
	for _, tc := range []struct {
		name, request string
		status        string
		want          []string // what reaches the endpoint
	}{
		{"plain", line + "Content-Length: 2\r\n\r\nhi", "200", []string{"POST /x 2 [] hi"}},
		{"both lengths", line + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "200", []string{"POST /x -1 [chunked] hi"}},
		{"two lengths", line + "Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", "400", nil},
		{"length lists", line + "Content-Length: 2, 2\r\n\r\nhi", "400", nil},
		{"signed length", line + "Content-Length: +2\r\n\r\nhi", "400", nil},
		{"two encodings", line + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "501", nil},
		{"unknown encoding", line + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "501", nil},
		{"encoding list", line + "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", "501", nil},
		{"space before the colon", line + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "400", nil},
		{"no colon", line + "Header\r\n\r\n", "400", nil},
		{"CR in a value", line + "X-A: a\rTransfer-Encoding: chunked\r\n\r\n", "400", nil},
		{"NUL in a value", line + "X-A: a\x00b\r\n\r\n", "400", nil},
		{"two hosts", line + "Host: i\r\n\r\n", "400", nil},
		{"no host", "GET " + servicePath + "/x HTTP/1.1\r\n\r\n", "400", nil},
		{"space in the path", "GET " + servicePath + "/x y HTTP/1.1\r\nHost: h\r\n\r\n", "400", nil},
		{"CR in the path", "GET " + servicePath + "/x\ry HTTP/1.1\r\nHost: h\r\n\r\n", "400", nil},
		{"tab in the path", "GET " + servicePath + "/x\ty HTTP/1.1\r\nHost: h\r\n\r\n", "400", nil},
		{"CR LF, escaped", "GET " + servicePath + "/x%0d%0aX-A:%20b HTTP/1.1\r\nHost: h\r\n\r\n", "200", []string{"GET /x%0d%0aX-A:%20b 0 [] "}},
		{"CR LF in a query, escaped", "GET " + servicePath + "/x?%0d%0aX-A:%20b HTTP/1.1\r\nHost: h\r\n\r\n", "200", []string{"GET /x?%0d%0aX-A:%20b 0 [] "}},
		{"a folded value", line + "X-A: a\r\n Transfer-Encoding: chunked\r\n\r\n", "200", []string{"POST /x 0 [] "}},
		{"a folded encoding", line + "Content-Length: 2\r\nTransfer-Encoding:\r\n chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "200", []string{"POST /x -1 [chunked] hi"}},
		{"a folded request line", "GET " + servicePath + "/x HTTP/1.1\r\n Host: h\r\nHost: h\r\n\r\n", "400", nil},
		{"CR LF in the path", "GET " + servicePath + "/x\r\ny HTTP/1.1\r\nHost: h\r\n\r\n", "400", nil},
		{"LF in the path", "GET " + servicePath + "/x\ny HTTP/1.1\r\nHost: h\r\n\r\n", "400", nil},
		{"a body that isn't announced is the next request", line + "\r\nGET " + servicePath + "/next HTTP/1.1\r\nHost: h\r\n\r\n", "200",
			[]string{"POST /x 0 [] ", "GET /next 0 [] "}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got = nil
			conn, r := h.raw(t, tc.request)
			status, _ := r.ReadString('\n')
			if !strings.HasPrefix(status, "HTTP/1.1 "+tc.status) {
				t.Errorf("answered %q, want %s", status, tc.status)
			}
			for range len(tc.want) - 1 {
				if err := skipTo(r, "HTTP/1.1 200"); err != nil {
					t.Error(err)
				}
			}
			conn.Close()
			mu.Lock()
			defer mu.Unlock()
			if fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("the endpoint got %q, want %q", got, tc.want)
			}
		})
	}
}

// Where a request may have an end for others that it hasn't for net/http, what
// comes after it on the connection isn't read.
func TestSmuggledBehind(t *testing.T) {
	var served atomic.Int32
	h := newHarness(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		served.Add(1)
	})
	const behind = "GET " + servicePath + "/evil HTTP/1.1\r\nHost: h\r\n\r\n"
	for name, request := range map[string]string{
		"both lengths":           "POST " + servicePath + "/x HTTP/1.1\r\nHost: h\r\nContent-Length: 200\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"both, for the registry": "POST /version HTTP/1.1\r\nHost: h\r\nContent-Length: 200\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"chunks of HTTP/1.0":     "GET " + servicePath + "/x HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		served.Store(0)
		_, r := h.raw(t, request+behind)
		answer, err := io.ReadAll(r)
		if n := strings.Count(string(answer), "HTTP/1."); n != 1 || err != nil || served.Load() > 1 {
			t.Errorf("%s: %d answers, %d requests served, %v", name, n, served.Load(), err)
		}
	}
}

// A chunk that isn't one breaks the request off: the endpoint never sees it
// end.
func TestBadChunks(t *testing.T) {
	var whole atomic.Int32
	h := newHarness(t, func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadAll(r.Body); err == nil {
			whole.Add(1)
		}
	})
	for _, chunks := range []string{
		"2 x\r\nhi\r\n0\r\n\r\n", "0x2\r\nhi\r\n0\r\n\r\n", "-2\r\nhi\r\n0\r\n\r\n", "2\r\nhi!\r\n0\r\n\r\n",
		"fffffffffffffffff\r\nhi\r\n0\r\n\r\n", "2\r\nhiGET / HTTP/1.1\r\n\r\n", "\r\n0\r\n\r\n",
	} {
		_, r := h.raw(t, "POST "+servicePath+"/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"+chunks)
		answer, _ := io.ReadAll(r)
		if !strings.HasPrefix(string(answer), "HTTP/1.1 400") || !strings.Contains(string(answer), `"reason":"BadRequest"`) || strings.Count(string(answer), "HTTP/1.1") > 1 {
			t.Errorf("%q is answered %q", chunks, answer)
		}
	}
	h.Close()
	h.backend.Close() // waits for what it was asked
	if n := whole.Load(); n > 0 {
		t.Errorf("%d are whole bodies to the endpoint", n)
	}
}
