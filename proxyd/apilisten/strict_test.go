package apilisten

import (
	"errors"
	"strings"
	"testing"
)

// Requests that two programs may read in two ways are found wherever they
// begin, however they come in; nothing else is.
func TestHeads(t *testing.T) {
	const (
		get  = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
		post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 62\r\n\r\nA: b\n folded\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
		both = "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
	)
	if n := len(post) - strings.Index(post, "\r\n\r\n") - 4; n != 62 {
		t.Fatalf("the body has %d bytes", n)
	}
	for _, test := range []struct {
		name, good, bad string
		want            error
	}{
		{"plain", get + get, "", nil},
		{"what a body says", post + get, "", nil},
		{"empty lines between", get + "\r\n\n" + get, "", nil},
		{"lines that end with LF", strings.ReplaceAll(get, "\r", ""), "", nil},
		{"both", "", both, errTwoLengths},
		{"both, in small letters", "", strings.ToLower(both), errTwoLengths},
		{"both, the other way round", "", "POST / HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length: 5\n\n", errTwoLengths},
		{"both, second", get + post + get, both, errTwoLengths},
		{"folded", get, "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", errFolded},
		{"folded with a tab", "", "GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", errFolded},
		{"folded at once", "", "GET / HTTP/1.1\r\n A: b\r\n\r\n", errFolded},
		{"endless line", get, "GET /" + strings.Repeat("x", 1000), errLongLine},
		{"after a chunked body", "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + both, "", nil},
		{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\n \n" + both, "", nil},
		{"a length that is none", "POST / HTTP/1.1\r\nContent-Length: -5\r\n\r\n", "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			all := test.good + test.bad
			for _, size := range []int{len(all), 1, 7} {
				h := heads{longest: 500}
				good, err := 0, error(nil)
				for at := 0; at < len(all) && err == nil; at += size {
					var n int
					n, err = h.check([]byte(all[at:min(at+size, len(all))]))
					good += n
				}
				if !errors.Is(err, test.want) || good < len(test.good) || (good < len(all)) != (test.want != nil) {
					t.Errorf("%d bytes at a time: %d are good, %v; want %d, %v", size, good, err, len(test.good), test.want)
				}
			}
		})
	}
}

func FuzzHeads(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET"), 3)
	f.Fuzz(func(t *testing.T, p []byte, size int) {
		whole := heads{longest: 500}
		_, want := whole.check(p)
		parts := heads{longest: 500}
		for at := 0; at < len(p); {
			n := min(max(size, 1), len(p)-at)
			if _, err := parts.check(p[at : at+n]); err != nil {
				if !errors.Is(err, want) {
					t.Fatalf("in parts %v, at once %v", err, want)
				}
				return
			}
			at += n
		}
		if want != nil {
			t.Fatalf("in parts nothing, at once %v", want)
		}
	})
}
