package apilisten_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/svcreg/svcreg/proxyd/apilisten"
)

// closed reads to the end of a connection, and wants it within a time.
func closed(t *testing.T, c net.Conn, within time.Duration) string {
	t.Helper()
	start := time.Now()
	rest, err := io.ReadAll(c)
	if took := time.Since(start); took > within {
		t.Errorf("the connection ended after %v, %v; want within %v", took, err, within)
	}
	return string(rest)
}

// Whoever sends a header, or a body, a little at a time is not waited for.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	read := make(chan error, 1)
	r := serve(t, func(w http.ResponseWriter, q *http.Request) {
		_, err := io.ReadAll(q.Body)
		read <- err
		_, _ = io.WriteString(w, "done")
	}, func(c *apilisten.Config) {
		c.HeaderTimeout, c.IdleTimeout, c.StallTimeout = time.Second, 2*time.Second, 2*time.Second
	})
	t.Run("header", func(t *testing.T) {
		c := r.dial()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
		closed(t, c, patient/2)
	})
	t.Run("idle", func(t *testing.T) {
		c := r.dial()
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if got := closed(t, c, patient/2); !strings.HasSuffix(got, "done") {
			t.Errorf("answered %q", got)
		}
		<-read
	})
	t.Run("body", func(t *testing.T) {
		c := r.dial()
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab")
		closed(t, c, patient/2)
		if err := <-read; !isTimeout(err) {
			t.Errorf("reading the body: %v", err)
		}
	})
	t.Run("body, a part at a time", func(t *testing.T) {
		c := r.dial()
		_, _ = io.WriteString(c, "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nConnection: close\r\n\r\n")
		for _, part := range []string{"a", "b", "c", "d", "e"} {
			time.Sleep(500 * time.Millisecond) // five of them are longer than it may stall
			_, _ = io.WriteString(c, part)
		}
		if got := closed(t, c, patient/2); !strings.HasSuffix(got, "done") {
			t.Errorf("answered %q", got)
		}
		if err := <-read; err != nil {
			t.Errorf("reading the body: %v", err)
		}
	})
}

// Once the answer has begun both sides talk as they like, for as long as they
// like.
func TestConversation(t *testing.T) {
	t.Parallel()
	r := serve(t, func(w http.ResponseWriter, q *http.Request) {
		control := http.NewResponseController(w)
		_ = control.EnableFullDuplex()
		lines := bufio.NewScanner(q.Body)
		for lines.Scan() {
			fmt.Fprintln(w, "you said", lines.Text())
			_ = control.Flush()
		}
		fmt.Fprintln(w, "end:", lines.Err())
	}, func(c *apilisten.Config) { c.StallTimeout = time.Second })
	for _, proto := range []string{"HTTP/1.1", "HTTP/2.0"} {
		t.Run(proto, func(t *testing.T) {
			transport := &http.Transport{Protocols: new(http.Protocols)}
			transport.Protocols.SetHTTP1(proto == "HTTP/1.1")
			transport.Protocols.SetUnencryptedHTTP2(proto == "HTTP/2.0")
			body, say := io.Pipe()
			q, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.Addr().String(), body)
			go fmt.Fprintln(say, "one")
			resp, err := transport.RoundTrip(q)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			time.Sleep(1500 * time.Millisecond) // longer than it might stall before
			go func() { fmt.Fprintln(say, "two"); say.Close() }()
			if got, err := io.ReadAll(resp.Body); string(got) != "you said one\nyou said two\nend: <nil>\n" || err != nil || resp.Proto != proto {
				t.Errorf("%s: %q, %v", resp.Proto, got, err)
			}
		})
	}
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// An endpoint may take its time: a client that has sent all is not cut off, and
// what it did send is not limited by what comes after.
func TestSlowAnswers(t *testing.T) {
	t.Parallel()
	r := serve(t, func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		for range 2 {
			select {
			case <-q.Context().Done():
				t.Errorf("the request ended: %v", context.Cause(q.Context()))
				return
			case <-time.After(1300 * time.Millisecond): // longer than the client may stall
			}
			fmt.Fprintf(w, "%s ", body)
			_ = http.NewResponseController(w).Flush()
		}
	}, func(c *apilisten.Config) { c.StallTimeout, c.IdleTimeout = time.Second, time.Second })
	resp, err := http.Post("http://"+r.Addr().String(), "text/plain", strings.NewReader("abc"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); string(got) != "abc abc " || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// A client that takes nothing of an answer is not waited for.
func TestClientsThatTakeNothing(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	r := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		part := bytes.Repeat([]byte("x"), 1<<20)
		for {
			if _, err := w.Write(part); err != nil {
				ended <- err
				return
			}
		}
	}, func(c *apilisten.Config) { c.StallTimeout = time.Second })
	_, _ = io.WriteString(r.dial(), "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	select {
	case err := <-ended:
		if !isTimeout(err) {
			t.Errorf("the answer ended with %v", err)
		}
	case <-time.After(patient):
		t.Error("the answer does not end")
	}
}

func TestLimits(t *testing.T) {
	r := serve(t, whoami, func(c *apilisten.Config) { c.MaxHeader, c.MaxConnections = 4096, 3 })
	url := "http://" + r.Addr().String()
	one := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if code, body := ask(t, one, "GET", url, http.Header{"X-Large": {strings.Repeat("x", 16<<10)}}); code != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a large header: %d %s", code, body)
	}
	var kept []net.Conn
	eventually(t, func() error { // the connections above may not have ended yet
		for len(kept) < 3 {
			c := r.dial()
			_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
			if line, err := bufio.NewReader(c).ReadString('\n'); err != nil {
				return fmt.Errorf("connection %d: %q %w", len(kept), line, err)
			}
			kept = append(kept, c)
		}
		return nil
	})
	if got := closed(t, r.dial(), patient/2); got != "" {
		t.Errorf("a connection too many was answered: %q", got)
	}
	kept[0].Close()
	eventually(t, func() error {
		if code, body := ask(t, one, "GET", url, nil); code != 200 {
			return fmt.Errorf("after one has ended: %d %s", code, body)
		}
		return nil
	})
	if got := r.metric("proxyd_api_connections_refused_total"); got < 1 {
		t.Errorf("%v connections were counted as refused", got)
	}
}

// A body that is larger than it may be is refused at once where the client says
// so, and else read no further.
func TestLargestBody(t *testing.T) {
	r := serve(t, func(w http.ResponseWriter, q *http.Request) {
		if _, err := io.ReadAll(q.Body); err != nil {
			w.WriteHeader(http.StatusTeapot)
		}
	}, func(c *apilisten.Config) { c.MaxBody = 1000 })
	for _, tt := range []struct {
		size    int64
		chunked bool
		want    int
	}{{1000, false, 200}, {1001, false, 413}, {1000, true, 200}, {1001, true, http.StatusTeapot}} {
		q, _ := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://"+r.Addr().String(), strings.NewReader(strings.Repeat("x", int(tt.size))))
		if tt.chunked {
			q.ContentLength = -1
		}
		answer, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != tt.want {
			t.Errorf("%+v: %d", tt, answer.StatusCode)
		}
	}
}

// metric returns the sum of a metric.
func (r *running) metric(name string) (sum float64) {
	r.t.Helper()
	families, err := r.metrics.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

func TestMetrics(t *testing.T) {
	hold := make(chan struct{})
	r := serve(t, func(w http.ResponseWriter, q *http.Request) {
		if q.URL.Path == "/wait" {
			<-hold
		}
		w.WriteHeader(http.StatusTeapot)
	}, nil)
	answered := make(chan int)
	go func() {
		code, _ := ask(t, http.DefaultClient, "GET", "http://"+r.Addr().String()+"/wait", nil)
		answered <- code
	}()
	eventually(t, func() error {
		if n := r.metric("proxyd_api_requests_in_flight"); n != 1 {
			return fmt.Errorf("%v in flight", n)
		}
		return nil
	})
	close(hold)
	if code := <-answered; code != http.StatusTeapot {
		t.Errorf("answered %d", code)
	}
	r.stop()
	for name, want := range map[string]float64{"proxyd_api_requests_in_flight": 0, "proxyd_api_requests_total": 1, "proxyd_api_request_duration_seconds": 1} {
		if got := r.metric(name); got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
}

// Web pages of another name, or from another origin, don't reach an API that
// wants no proof.
func TestWebPages(t *testing.T) {
	open := serve(t, whoami, func(c *apilisten.Config) { c.Hosts = []string{"api.example.org"} })
	any := serve(t, whoami, func(c *apilisten.Config) { c.Hosts = []string{"*"} })
	guarded := serve(t, whoami, func(c *apilisten.Config) { c.TokenFile = file(t, "tokens.csv", "secret,alice,1\n") })
	tests := map[string]struct {
		to     *running
		method string
		header http.Header
		want   int
	}{
		"an address":              {open, "POST", http.Header{"Host": {"127.0.0.1:8080"}}, 200},
		"an address, IPv6":        {open, "POST", http.Header{"Host": {"[::1]:8080"}}, 200},
		"an address, no port":     {open, "POST", http.Header{"Host": {"[::1]"}}, 200},
		"localhost":               {open, "POST", http.Header{"Host": {"LocalHost:8080"}}, 200},
		"below localhost":         {open, "POST", http.Header{"Host": {"app.localhost"}}, 200},
		"a known name":            {open, "POST", http.Header{"Host": {"api.example.org."}}, 200},
		"another name":            {open, "GET", http.Header{"Host": {"evil.example.org"}}, 403},
		"a name as localhost":     {open, "GET", http.Header{"Host": {"evillocalhost:8080"}}, 403},
		"any name":                {any, "GET", http.Header{"Host": {"evil.example.org"}}, 200},
		"any name, a token":       {guarded, "GET", http.Header{"Host": {"evil.example.org"}, "Authorization": {"Bearer secret"}}, 200},
		"another origin":          {open, "POST", http.Header{"Origin": {"http://evil.example.org"}}, 403},
		"another origin, reading": {open, "GET", http.Header{"Origin": {"http://evil.example.org"}}, 200},
		"another origin, talking": {open, "GET", http.Header{"Origin": {"http://evil.example.org"}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"}}, 403},
		"the same, talking":       {open, "GET", http.Header{"Origin": {"http://localhost:80"}, "Host": {"localhost:80"}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"}}, 200},
		"another site":            {open, "DELETE", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		"another site, any name":  {any, "DELETE", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403},
		"the same origin":         {open, "POST", http.Header{"Sec-Fetch-Site": {"same-origin"}}, 200},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if code, body := ask(t, http.DefaultClient, tt.method, "http://"+tt.to.Addr().String(), tt.header); code != tt.want {
				t.Errorf("%d %s, want %d", code, body, tt.want)
			}
		})
	}
}

// HTTP/2 is spoken with TLS, and without by those who begin with it.
func TestHTTP2(t *testing.T) {
	proto := func(w http.ResponseWriter, q *http.Request) { fmt.Fprint(w, q.Proto) }
	plain := serve(t, proto, nil)
	c := &http.Client{Transport: &http.Transport{Protocols: new(http.Protocols)}}
	c.Transport.(*http.Transport).Protocols.SetUnencryptedHTTP2(true)
	if code, body := ask(t, c, "GET", "http://"+plain.Addr().String(), nil); body != "HTTP/2.0" {
		t.Errorf("h2c: %d %s", code, body)
	}
	a := newAuthority(t, "server")
	cert, key := a.pair("server")
	secure := serve(t, proto, func(c *apilisten.Config) { c.TLSCert, c.TLSKey = file(t, "cert", cert), file(t, "key", key) })
	c = client(t, a)
	c.Transport.(*http.Transport).ForceAttemptHTTP2 = true
	if code, body := ask(t, c, "GET", "https://"+secure.Addr().String(), nil); body != "HTTP/2.0" {
		t.Errorf("over TLS: %d %s", code, body)
	}
}

// The path reaches the handler as the client wrote it.
func TestPathsAreLeftAlone(t *testing.T) {
	r := serve(t, func(w http.ResponseWriter, q *http.Request) { fmt.Fprint(w, q.RequestURI) }, nil)
	const path = "/a//b/../c%2Fd/./%7e?x=1&&y"
	c := r.dial()
	_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
	if got := closed(t, c, patient); !strings.HasSuffix(got, "\r\n\r\n"+path) {
		t.Errorf("got %q", got)
	}
}

// What is under way when the server stops has a moment to end; what lasts
// longer is ended, handed-over connections too.
func TestStop(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{}, 3)
	r := serve(t, func(w http.ResponseWriter, q *http.Request) {
		switch q.URL.Path {
		case "/short":
			begun <- struct{}{}
			time.Sleep(200 * time.Millisecond)
			fmt.Fprint(w, "whole")
		case "/long":
			_ = http.NewResponseController(w).Flush()
			begun <- struct{}{}
			<-q.Context().Done()
		case "/upgrade":
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			begun <- struct{}{}
			<-q.Context().Done()
			conn.Close()
		}
	}, nil)
	short, long, upgraded := r.dial(), r.dial(), r.dial()
	for path, c := range map[string]net.Conn{"short": short, "long": long, "upgrade": upgraded} {
		_, _ = io.WriteString(c, "GET /"+path+" HTTP/1.1\r\nHost: localhost\r\n\r\n")
		<-begun
	}
	start := time.Now()
	r.stop()
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if got := closed(t, short, time.Second); !strings.HasSuffix(got, "whole") {
		t.Errorf("the short one got %q", got)
	}
	closed(t, long, time.Second)
	closed(t, upgraded, time.Second)
}
