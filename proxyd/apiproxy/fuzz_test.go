package apiproxy

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/registry/registrytest"
)

// FuzzRequest: whatever a client sends, an endpoint gets one request, which it
// can't read in two ways.
func FuzzRequest(f *testing.F) {
	for _, head := range []string{
		"GET $/x?y HTTP/1.1\r\nHost: h\r\n\r\n",
		"POST $/x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX: y\r\n\r\n",
		"GET $/%0d%0aa:b HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, x\r\nUpgrade: websocket\r\nX: 1\r\n\r\n",
		"GET http://h$//x%2f?%zz HTTP/1.1\r\nHost: h\r\nAccept: text/html\r\nAccept-Encoding: br;q=1, gzip\r\n folded\r\n\r\n",
		"GET $/ HTTP/1.0\r\nForwarded: x\r\nTe: trailers\r\nTrailer: X\r\n\r\n",
	} {
		f.Add([]byte(strings.ReplaceAll(head, "$", servicePath)))
	}
	p := New(Config{Source: source{registrytest.Snapshot(f, serviceOf("10.0.0.1:80"))}, Audit: slog.New(slog.DiscardHandler)})
	var sent bytes.Buffer
	p.reverse.Transport.(*transport).next = roundTripper(func(r *http.Request) (*http.Response, error) {
		r = r.Clone(r.Context())
		r.Header.Set("User-Agent", "") // it would be net/http's
		return nil, errors.Join(r.Write(&sent), errors.New("sent"))
	})
	f.Fuzz(func(t *testing.T, in []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(in)))
		if err != nil {
			return
		}
		sent.Reset()
		p.ServeHTTP(httptest.NewRecorder(), r)
		wire := bufio.NewReader(&sent)
		got, err := http.ReadRequest(wire)
		if errors.Is(err, io.EOF) {
			return // it was refused
		}
		if err != nil {
			t.Fatalf("%q became %q: %v", in, sent.Bytes(), err)
		}
		if len(got.Header["Content-Length"])*len(got.TransferEncoding) > 0 || got.Method != r.Method {
			t.Errorf("%q became %v", in, got)
		}
		if _, err := io.Copy(io.Discard, got.Body); err == nil && wire.Buffered() > 0 {
			t.Errorf("%q: another request is behind it", in)
		}
	})
}
