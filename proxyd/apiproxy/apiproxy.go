// Package apiproxy is the proxy path of an apiserver: clients from outside
// reach a service, a pod or a node through a URL such as
//
//	http://host:8080/api/v1/namespaces/my-ns/services/my-service:http/proxy/
//
// in any form that an API version had (see parsePath). The endpoints of a
// service need not be pods, which an apiserver has refused since 2021.
//
// A Proxy is an http.Handler, and what of HTTP it forwards is net/http's and
// httputil.ReverseProxy's work. What it adds: where a request goes, and the
// next endpoint where one can't be dialled (target.go, pick.go, transport.go);
// which addresses are never dialled (dial.go); links that stay under the proxy
// path (location.go, html.go); connections that change their protocol
// (upgrade.go); errors as clients of an apiserver expect them (status.go); and a
// line in the log for each request (audit.go).
//
// A Proxy takes no part in who a client is, nor in how long a client may take:
// its http.Server does, with its time-outs. It must see the path as the client
// sent it, so http.ServeMux, which cleans paths, must not stand before it.
package apiproxy

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"os"
	"time"

	"github.com/svcreg/svcreg/proxyd/apistatus"
	"github.com/svcreg/svcreg/registry"
)

// DefaultDialTimeout is how long a Proxy tries to connect to an endpoint.
const DefaultDialTimeout = 5 * time.Second

// Source tells what is in the registry.
type Source interface {
	// Snapshot returns the registry as it is now, at least so much of it as a
	// request for that service, pod or node needs; or why it can't, which the
	// client is told with a 503. It is called once for each request, by many
	// goroutines at a time.
	Snapshot(context.Context, registry.Ref) (*registry.Snapshot, error)
}

// Config says what a Proxy does. All but Source may be left out.
type Config struct {
	Source Source

	// May says which requests may be proxied to which service, pod or node;
	// the others are forbidden (403). Nil allows all.
	May func(*http.Request, registry.Ref) bool
	// AllowAddresses are ranges that are dialled although they are loopback,
	// link-local, multicast, unspecified or the node's own.
	AllowAddresses []netip.Prefix
	// OwnAddress says which socket addresses control this node, such as those
	// of etcd and of proxyd itself. They are not dialled.
	OwnAddress func(netip.AddrPort) bool

	// PassAuthorization sends the client's Authorization to the endpoint,
	// which can then act as that client.
	PassAuthorization bool
	// KeepLinks leaves the links of HTML pages as the endpoint wrote them.
	// Location headers are rewritten nevertheless.
	KeepLinks bool

	// BackendTLS is for https endpoints. An endpoint's certificate must speak
	// for its DNS name if it was given by one; else for NAME.NAMESPACE.svc, as
	// for an apiserver's extensions, or for the address of a pod or node. Nil
	// trusts the system's authorities; InsecureSkipVerify trusts everybody.
	// Its ServerName and NextProtos are of no effect.
	BackendTLS *tls.Config
	// DialTimeout limits each try to connect to an endpoint, and each TLS
	// handshake with one; zero means DefaultDialTimeout.
	DialTimeout time.Duration
	// ResponseTimeout limits the time from the end of a request to the head of
	// its response; zero means no limit.
	ResponseTimeout time.Duration

	// Other serves the paths that are not for the proxy; nil answers 404.
	Other http.Handler
	// Audit gets a line for each proxied request, at level Info; nil means
	// slog.Default().
	Audit *slog.Logger
}

// Proxy serves the proxy path. See the package.
type Proxy struct {
	config   Config
	dialer   *dialer
	routes   routes
	failures failures
	reverse  *httputil.ReverseProxy
}

var _ http.Handler = (*Proxy)(nil)

// New returns a Proxy. It panics if there is no Source.
func New(c Config) *Proxy {
	if c.Source == nil {
		panic("apiproxy.New: no Source")
	}
	c.DialTimeout = cmp.Or(c.DialTimeout, DefaultDialTimeout)
	c.Audit = cmp.Or(c.Audit, slog.Default())
	p := &Proxy{config: c, dialer: newDialer(&c)}
	p.reverse = p.newReverse()
	return p
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 && (len(r.TransferEncoding) > 0 || r.ProtoMinor == 0) {
		// net/http doesn't say whether there was a Content-Length beside the
		// chunks, or HTTP/1.0 had chunks. Whoever takes the end of such a
		// request to be elsewhere must not have the rest of it answered here
		// (RFC 9112, 6.1).
		w.Header().Set("Connection", "close")
	}
	raw := rawPath(r)
	to, ok, err := parsePath(raw, r.URL.RawQuery)
	switch {
	case !ok && p.config.Other != nil:
		p.config.Other.ServeHTTP(w, r)
	case !ok:
		apistatus.Write(w, errNoPath.Status())
	default:
		x := &exchange{path: to, raw: raw, upgrade: wanted(r.Header), start: time.Now(), ResponseWriter: w}
		defer p.audit(r, x)
		if err == nil {
			err = p.serve(x, r)
		}
		if err != nil {
			x.fail(err)
		}
	}
}

// serve answers a request for the proxy, or returns what the answer is to say.
func (p *Proxy) serve(x *exchange, r *http.Request) error {
	if r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		return errMethod // one is for other proxies, the other shows a client what others may not see
	}
	if p.config.May != nil && !p.config.May(r, x.path.to) {
		return forbidden(x.path.to)
	}
	if x.rest == "" && !x.redirect && x.upgrade == "" && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		x.redirectTo(http.StatusMovedPermanently, x.prefix+"/", r)
		return nil
	}
	snapshot, err := p.config.Source.Snapshot(r.Context(), x.path.to)
	if err != nil {
		return apistatus.Unavailable("%v", err)
	}
	if x.targets, err = p.routes.find(snapshot, x.path); err != nil {
		return err
	}
	if x.redirect {
		return p.redirect(x, r)
	}
	if r.ContentLength != 0 && r.ProtoMajor == 1 {
		// Without it, HTTP/1 drops what hasn't been read of the body once the
		// response begins.
		x.duplex = http.NewResponseController(x.ResponseWriter).EnableFullDuplex() == nil
	}
	p.reverse.ServeHTTP(x, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, x)))
	if x.switched != nil {
		return x.handOver(r.Context())
	}
	return nil
}

// redirect sends the client to an endpoint, if it is one that a request could
// be sent to.
func (p *Proxy) redirect(x *exchange, r *http.Request) error {
	for _, to := range p.failures.order(x.targets, time.Now()) {
		if at, err := netip.ParseAddrPort(to.address); err == nil && !p.dialer.may(at) {
			continue
		}
		x.target = to
		x.redirectTo(http.StatusTemporaryRedirect, to.scheme+"://"+to.address+x.rest, r)
		return nil
	}
	return errAddress
}

// redirectTo sends the client elsewhere, with its query.
func (x *exchange) redirectTo(code int, location string, r *http.Request) {
	if r.URL.RawQuery != "" || r.URL.ForceQuery {
		location += "?" + noSpace(r.URL.RawQuery)
	}
	x.Header().Set("Location", location)
	x.WriteHeader(code)
}

// fail answers with an error, if there is still a way to.
func (x *exchange) fail(err error) {
	x.err = err
	if x.status != 0 {
		return
	}
	status, ok := errors.AsType[*apistatus.Error](err)
	if !ok {
		status = failure(err)
	}
	apistatus.Write(x, status.Status())
}

// failure is the answer where a request could not be forwarded, or its body not
// be read.
func failure(err error) *apistatus.Error {
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return apistatus.TooLarge(large.Limit)
	}
	_, upload := errors.AsType[*uploadError](err)
	switch {
	case upload && errors.Is(err, os.ErrDeadlineExceeded):
		return errTooSlow
	case upload:
		return badRequest("the request's body can't be read: %v", err)
	}
	return apistatus.Unavailable("error trying to reach service: %v", err)
}
