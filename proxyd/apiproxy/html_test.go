package apiproxy

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

var testLinks = links{prefix: "/p", hosts: []string{"10.0.0.1:80"}, scheme: "http"}

func rewritten(t *testing.T, c coding, in io.Reader) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := testLinks.copyPage(&out, in, c); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestPage(t *testing.T) {
	for _, tc := range []struct{ name, in, want string }{
		{"a", `<A  HREF='/x' class=c>y</A>`, `<a href="/p/x" class="c">y</A>`},
		{"form", `<form action="/do" method=post><input formaction=/go>`, `<form action="/p/do" method="post"><input formaction="/p/go">`},
		{"self-closing", `<img src="/i.png"/>`, `<img src="/p/i.png"/>`},
		{"the endpoint's name", `<link href=http://10.0.0.1/s.css>`, `<link href="/p/s.css">`},
		{"entities", `<a href="/x?a=1&amp;b=2">`, `<a href="/p/x?a=1&amp;b=2">`},
		{"attributes that are no links", `<a data-x="/x" title="/y">`, `<a data-x="/x" title="/y">`},
		{"elements without links", `<p href="/x">`, `<p href="/x">`},
		{"untouched byte for byte", "<!DOCTYPE html>\n<Body\tA=b  C = 'd' ><!-- <a href=/x> --> &nbsp; </bOdy >", "<!DOCTYPE html>\n<Body\tA=b  C = 'd' ><!-- <a href=/x> --> &nbsp; </bOdy >"},
		{"scripts", `<script>var a='<a href="/x">'</script><script src=/s.js></script>`, `<script>var a='<a href="/x">'</script><script src="/p/s.js"></script>`},
		{"text areas", `<textarea><a href="/x"></textarea>`, `<textarea><a href="/x"></textarea>`},
		{"base", `<base href="/"><a href="x">`, `<base href="/p/"><a href="x">`},
		{"sets of images", `<img srcset="/a.png 1x, http://10.0.0.1:80/b.png  2x,c.png"><link imagesrcset=/d.png>`, `<img srcset="/p/a.png 1x, /p/b.png  2x,c.png"><link imagesrcset="/p/d.png">`},
		{"a refresh", `<meta http-equiv=Refresh content="5; URL='/next'">`, `<meta http-equiv="Refresh" content="5; URL=&#39;/p/next&#39;">`},
		{"another meta", `<meta name=x content="5; url=/next">`, `<meta name=x content="5; url=/next">`},
		{"cut off", `<b>x</b><a href="/x`, `<b>x</b><a href="/x`},
		{"not HTML", "\x00\xff<<>&", "\x00\xff<<>&"},
		{"empty", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := string(rewritten(t, identity, strings.NewReader(tc.in))); got != tc.want {
				t.Errorf("got  %q\nwant %q", got, tc.want)
			}
			if got := string(rewritten(t, identity, iotest.OneByteReader(strings.NewReader(tc.in)))); got != tc.want {
				t.Errorf("byte by byte: got %q", got)
			}
		})
	}
}

func TestPageLarge(t *testing.T) {
	text := strings.Repeat("x", 3*maxToken)
	for _, in := range []string{text, "<a title=\"" + text + "\" href=/x>", text + "<b>", "<!--" + text} {
		if got := string(rewritten(t, identity, strings.NewReader(in))); got != in {
			t.Errorf("%d bytes (%.10s…) became %d", len(in), in, len(got))
		}
	}
}

func TestPageCodings(t *testing.T) {
	const in, want = `<a href="/x">`, `<a href="/p/x">`
	packed := func(w io.WriteCloser, b *bytes.Buffer) *bytes.Buffer {
		io.WriteString(w, in)
		w.Close()
		return b
	}
	var g, z, f bytes.Buffer
	raw, _ := flate.NewWriter(&f, 9)
	unzip := func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }
	unzlib := func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) }
	for _, tc := range []struct {
		name, coding string
		in           *bytes.Buffer
		decode       func(io.Reader) (io.Reader, error)
	}{
		{"gzip", "gzip", packed(gzip.NewWriter(&g), &g), unzip},
		{"deflate", "deflate", packed(zlib.NewWriter(&z), &z), unzlib},
		{"deflate without zlib's head", "deflate", packed(raw, &f), unzlib},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := tc.decode(bytes.NewReader(rewritten(t, codings[tc.coding], tc.in)))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || string(got) != want {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
	for name, c := range codings {
		if got := rewritten(t, c, strings.NewReader("")); len(got) != 0 {
			t.Errorf("%s: nothing became %q", name, got)
		}
	}
}

// What the endpoint has sent is there before it sends more.
func TestPageFlushed(t *testing.T) {
	for _, name := range []string{"", "gzip", "deflate"} {
		from, to := io.Pipe()
		p := newPage(from, codings[name], testLinks)
		w := codings[name].encode(to)
		read := make(chan string)
		go func() {
			in, err := codings[name].decode(p)
			if err != nil {
				t.Error(err)
			}
			b := make([]byte, len(`<a href="/p/1">`))
			for range 2 {
				io.ReadFull(in, b)
				read <- string(b)
			}
		}()
		for _, n := range []string{"1", "2"} {
			io.WriteString(w, `<a href="/`+n+`">`)
			w.Flush()
			if got, want := <-read, `<a href="/p/`+n+`">`; got != want {
				t.Errorf("%q: got %q, want %q", name, got, want)
			}
		}
		p.Close()
	}
}

func TestPageClosedEarly(t *testing.T) {
	from, to := io.Pipe()
	p := newPage(from, identity, testLinks)
	p.Close() // waits for its goroutine, or the test hangs
	if _, err := io.WriteString(to, "x"); err == nil {
		t.Error("the endpoint's body is still read")
	}
}

// A page that makes the code panic ends, and nothing else does.
func TestPagePanic(t *testing.T) {
	from, _ := io.Pipe()
	p := newPage(from, coding{encode: identity.encode, decode: func(io.Reader) (io.Reader, error) { panic("bad page") }}, testLinks)
	if _, err := io.ReadAll(p); !errors.Is(err, errPage) {
		t.Error(err)
	}
	p.Close()
}

func TestLimitEncodings(t *testing.T) {
	for _, tc := range []struct{ accept, encodings, want string }{
		{"text/html,*/*", "gzip, deflate, br;q=0.9, zstd", "gzip, deflate, identity"},
		{"text/html", "gzip;q=0.5", "gzip;q=0.5, identity"},
		{"text/html", "", ""},
		{"*/*", "br", "br"},
	} {
		h := http.Header{"Accept": {tc.accept}}
		if tc.encodings != "" {
			h.Set("Accept-Encoding", tc.encodings)
		}
		if limitEncodings(h); h.Get("Accept-Encoding") != tc.want {
			t.Errorf("%s, %s: got %s, want %s", tc.accept, tc.encodings, h.Get("Accept-Encoding"), tc.want)
		}
	}
}

// FuzzPage: a page without links that change is as it was.
func FuzzPage(f *testing.F) {
	f.Add([]byte(`<a href=x>&lt;<script>/*</script><title></title>`))
	f.Fuzz(func(t *testing.T, in []byte) {
		var out bytes.Buffer
		l := links{prefix: ""} // leads where it led
		if err := l.copyPage(&out, bytes.NewReader(in), identity); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(in, []byte("href")) || bytes.Contains(in, []byte("src")) {
			return
		}
		if !bytes.Contains(bytes.ToLower(in), []byte("=")) && !bytes.Equal(in, out.Bytes()) {
			t.Errorf("%q became %q", in, out.Bytes())
		}
	})
}
