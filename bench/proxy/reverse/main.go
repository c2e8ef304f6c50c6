// Command reverse is a bare httputil.ReverseProxy, over a transport that keeps
// its connections: what a proxy in Go that is built on it can reach at best.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

// kept is how many connections to the backend are kept; as many as proxyd
// keeps to one.
const kept = 256

func main() {
	listen := flag.String("listen", "", "the `address` to listen on")
	to := flag.String("to", "", "the `URL` of the backend")
	flag.Parse()
	if err := serve(*listen, *to); err != nil {
		fmt.Fprintf(os.Stderr, "reverse: %v\n", err)
		os.Exit(1)
	}
}

func serve(listen, to string) error {
	u, err := url.Parse(to)
	if err != nil {
		return err
	}
	s := http.Server{Addr: listen, ReadHeaderTimeout: time.Minute, Handler: &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(u) },
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: kept},
	}}
	return s.ListenAndServe()
}
