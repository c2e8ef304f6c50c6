package apiproxy

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The path and the query reach the endpoint byte for byte.
func TestPathAsSent(t *testing.T) {
	h := newHarness(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RequestURI) })
	for _, rest := range []string{
		"/", "/a", "/a/", "/a%2Fb/%2e%2e/%41%zz"[:14], "/../x/./y//", "/?", "/?a=b;c&%zz&d", "/x?q=%20+%2F",
		"/é{}|^`", "/a'\"<>\\", "/;p=1,@:!$&*()", "/%E2%82%AC", "/x?a?b/c", "//double", "//double%2F/x?y",
	} {
		_, r := h.raw(t, "GET "+servicePath+rest+" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatal(rest, err)
		}
		if got, _ := io.ReadAll(res.Body); string(got) != rest {
			t.Errorf("got %q, want %q (%s)", got, rest, res.Status)
		}
	}
}

// Spaces, which only HTTP/2 can carry, end no request line.
func TestSpaces(t *testing.T) {
	h := newHarness(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.RequestURI) })
	r := httptest.NewRequest(http.MethodGet, servicePath+"/x", nil)
	r.URL.Path, r.URL.RawQuery = servicePath+"/a HTTP/1.1", "q HTTP/1.1"
	r.RequestURI = r.URL.Path + "?" + r.URL.RawQuery
	w := httptest.NewRecorder()
	h.Config.Handler.ServeHTTP(w, r)
	if got, want := w.Body.String(), "/a%20HTTP/1.1?q%20HTTP/1.1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEveryForm(t *testing.T) {
	h := newHarness(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Method+" "+r.URL.Path) })
	for _, p := range []string{
		"/api/v1beta1/proxy/services/web/x?namespace=ns",
		"/api/v1beta2/proxy/ns/ns/services/web/x",
		"/api/v1beta3/proxy/namespaces/ns/services/web/x",
		"/api/v1/proxy/namespaces/ns/services/web:80/x",
		"/api/v1/namespaces/ns/services/http:web:/proxy/x",
	} {
		for _, method := range []string{"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"} {
			r, _ := http.NewRequestWithContext(t.Context(), method, h.URL+p, nil)
			if res, body := h.do(t, r); res.StatusCode != http.StatusOK || body != method+" /x" {
				t.Errorf("%s %s: %s %s", method, p, res.Status, body)
			}
		}
	}
}

func TestRedirects(t *testing.T) {
	h := newHarness(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	backend := h.backend.URL
	for _, tc := range []struct {
		method, path string
		code         int
		location     string
	}{
		{"GET", servicePath, 301, servicePath + "/"},
		{"HEAD", servicePath + "?a=%2f", 301, servicePath + "/?a=%2f"},
		{"GET", "/api/v1/namespaces/ns/services/http%3Aweb%3A/proxy", 301, "/api/v1/namespaces/ns/services/http%3Aweb%3A/proxy/"},
		{"GET", "/api/v1beta1/proxy/services/web?namespace=ns", 301, "/api/v1beta1/proxy/services/web/?namespace=ns"},
		{"POST", servicePath, 204, ""},
		{"GET", servicePath + "/", 204, ""},
		{"GET", "/api/v1/redirect/namespaces/ns/services/web", 307, backend},
		{"POST", "/api/v1beta1/redirect/ns/ns/services/web/a%2Fb?c=d", 307, backend + "/a%2Fb?c=d"},
	} {
		r, _ := http.NewRequestWithContext(t.Context(), tc.method, h.URL+tc.path, nil)
		if res, _ := h.do(t, r); res.StatusCode != tc.code || res.Header.Get("Location") != tc.location {
			t.Errorf("%s %s: %d to %q", tc.method, tc.path, res.StatusCode, res.Header.Get("Location"))
		}
	}
}

func TestRequestHeaders(t *testing.T) {
	var got http.Header
	var host string
	h := newHarness(t, func(_ http.ResponseWriter, r *http.Request) { got, host = r.Header, r.Host })
	h.get(t, "/a%2Fb?secret", "Authorization", "Bearer x", "X-Forwarded-For", "1.2.3.4", "Forwarded", "for=1.2.3.4",
		"X-Forwarded-Uri", "/else", "Connection", "keep-alive, X-Hop", "X-Hop", "1", "Keep-Alive", "1", "Te", "trailers, x",
		"Proxy-Authorization", "Basic x", "X-End", "kept", "User-Agent", "me", "Accept-Encoding", "br")
	proxy := strings.TrimPrefix(h.URL, "http://")
	want := http.Header{
		"X-Forwarded-For": {"127.0.0.1"}, "X-Forwarded-Host": {proxy}, "X-Forwarded-Proto": {"http"},
		"X-Forwarded-Uri": {servicePath + "/a%2Fb"}, "X-End": {"kept"}, "User-Agent": {"me"},
		"Te": {"trailers"}, "Accept-Encoding": {"br"},
	}
	if d := cmp.Diff(want, got); d != "" || host != proxy {
		t.Errorf("host %s\n%s", host, d)
	}
}

// What the client wants is the client's: no encoding is asked for that it
// doesn't know, and for pages none that can't be read here.
func TestEncodingsAskedFor(t *testing.T) {
	h := newHarness(t, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Header["Accept-Encoding"]) })
	for want, header := range map[string][]string{
		"[]":               nil,
		"[br, gzip]":       {"Accept-Encoding", "br, gzip"},
		"[gzip, identity]": {"Accept-Encoding", "br, gzip", "Accept", "text/html"},
	} {
		if _, body := h.get(t, "/", header...); body != want {
			t.Errorf("%q: got %s, want %s", header, body, want)
		}
	}
}

func TestPassAuthorization(t *testing.T) {
	h := newHarness(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, r.Header.Get("Authorization")) },
		func(c *Config) { c.PassAuthorization = true })
	if _, body := h.get(t, "/", "Authorization", "Bearer x"); body != "Bearer x" {
		t.Errorf("got %q", body)
	}
}

func TestResponseHeaders(t *testing.T) {
	h := newHarness(t, func(w http.ResponseWriter, _ *http.Request) {
		header := w.Header()
		header.Set("Location", "/login?x#y")
		header.Set("Connection", "X-Hop")
		header.Set("X-Hop", "1")
		header.Set("Keep-Alive", "timeout=5")
		header.Set("Access-Control-Allow-Origin", "*")
		header.Set("Set-Cookie", "a=b")
		w.WriteHeader(http.StatusTeapot)
		io.WriteString(w, "short and stout")
	})
	res, body := h.get(t, "/")
	res.Header.Del("Date")
	want := http.Header{
		"Location": {servicePath + "/login?x#y"}, "Set-Cookie": {"a=b"},
		"Content-Length": {"15"}, "Content-Type": {"text/plain; charset=utf-8"},
	}
	if d := cmp.Diff(want, res.Header); d != "" || res.StatusCode != http.StatusTeapot || body != "short and stout" {
		t.Errorf("%s %q\n%s", res.Status, body, d)
	}
}

func TestPages(t *testing.T) {
	page := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", r.URL.Query().Get("type"))
		fmt.Fprintf(w, `<a href="/x">`)
	}
	h := newHarness(t, page)
	kept := newHarness(t, page, func(c *Config) { c.KeepLinks = true })
	const is, was = `<a href="` + servicePath + `/x">`, `<a href="/x">`
	for _, tc := range []struct {
		harness         *harness
		mediaType, body string
	}{
		{h, "text/html", is},
		{h, "text/html; charset=utf-8", is},
		{h, "text/plain", was},
		{h, "application/xhtml+xml", was},
		{kept, "text/html", was},
	} {
		res, body := tc.harness.get(t, "/?type="+url.QueryEscape(tc.mediaType))
		if body != tc.body || (res.ContentLength >= 0 && int(res.ContentLength) != len(body)) {
			t.Errorf("%s: %q, %d", tc.mediaType, body, res.ContentLength)
		}
	}
	packed := newHarness(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Content-Encoding", "GZIP")
		z := gzip.NewWriter(w)
		io.WriteString(z, was)
		z.Close()
	})
	_, body := packed.get(t, "/")
	if z, err := gzip.NewReader(strings.NewReader(body)); err != nil {
		t.Error(err)
	} else if got, _ := io.ReadAll(z); string(got) != is {
		t.Errorf("in GZIP: %s", got)
	}
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodHead, h.URL+servicePath+"/?type=text/html", nil)
	if res, _ := h.do(t, r); res.Header.Get("Content-Length") != "" {
		t.Errorf("HEAD tells the length that the page had: %s", res.Header.Get("Content-Length"))
	}
}

// A part of a page is as it was; a page that was rewritten has another tag.
func TestPartOfPage(t *testing.T) {
	h := newHarness(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", r.URL.Query().Get("tag"))
		w.Header().Set("Content-Type", "text/html")
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(`<a href="/x">`))
	})
	for _, tc := range []struct{ ranged, tag, body, wantTag string }{
		{"bytes=0-99", `"a"`, `<a href="/x">`, `"a"`},
		{"", `"a"`, `<a href="` + servicePath + `/x">`, `W/"a"`},
		{"", `W/"a"`, `<a href="` + servicePath + `/x">`, `W/"a"`},
	} {
		res, body := h.get(t, "/?tag="+url.QueryEscape(tc.tag), "Range", tc.ranged)
		if body != tc.body || res.Header.Get("Etag") != tc.wantTag {
			t.Errorf("%s: %q, tag %s", res.Status, body, res.Header.Get("Etag"))
		}
	}
}

func TestTrailers(t *testing.T) {
	h := newHarness(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Announced")
		io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%v", r.Trailer)
		w.Header().Set("X-Announced", "1")
		w.Header().Set(http.TrailerPrefix+"X-Late", "2")
	})
	_, r := h.raw(t, "POST "+servicePath+"/ HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Authorization\r\n\r\n"+
		"1\r\nx\r\n0\r\nX-Sum: 7\r\nAuthorization: Bearer x\r\n\r\n")
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	if got := string(body); got != "map[X-Sum:[7]]" {
		t.Errorf("the endpoint got trailers %s", got)
	}
	if d := cmp.Diff(http.Header{"X-Announced": {"1"}, "X-Late": {"2"}}, res.Trailer); d != "" {
		t.Error(d)
	}
}
