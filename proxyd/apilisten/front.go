package apilisten

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/svcreg/svcreg/proxyd/apistatus"
)

// front is the handler that each request meets first.
type front struct {
	to      http.Handler
	who     *authenticator
	origin  *http.CrossOriginProtection
	hosts   []string // nil: any
	stall   time.Duration
	maxBody int64
	metrics *metrics
	logger  *slog.Logger
}

func newFront(c *Config, to http.Handler) (*front, error) {
	f := &front{
		to: to, who: &authenticator{certificates: c.TLSClientCA != ""}, origin: http.NewCrossOriginProtection(),
		stall: c.StallTimeout, maxBody: int64(c.MaxBody), metrics: newMetrics(c.Registerer), logger: c.Logger,
	}
	var err error
	if c.TokenFile != "" {
		if f.who.tokens, err = readFiles(c.Logger, parseTokens, c.TokenFile); err != nil {
			return nil, settingError("token-file", err)
		}
	}
	if !f.who.needed() && !slices.Contains(c.Hosts, "*") {
		f.hosts = append([]string{"localhost"}, c.Hosts...)
	}
	return f, nil
}

// ServeHTTP lets a request through to the API, or says why not.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.TLS = tlsOf(r.Context())
	if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
		w.Header().Set("Connection", "close") // what follows is not looked at; see heads
	}
	answer := f.metrics.begin(w)
	defer f.metrics.end(answer, time.Now())
	if r.ProtoMajor > 1 {
		answer.stall = f.stall
		defer answer.done()
	}
	user, refusal := f.judge(r)
	if refusal != nil {
		apistatus.Write(answer, refusal.Status())
		f.logger.Debug("refused a request to the API", "client", r.RemoteAddr, "host", r.Host, "method", r.Method, "path", r.URL.EscapedPath(), "why", refusal)
		return
	}
	if f.maxBody > 0 {
		r.Body = http.MaxBytesReader(answer, r.Body, f.maxBody)
	}
	if r.Body != nil && r.Body != http.NoBody {
		answer.body = &steadyBody{ReadCloser: r.Body, stall: f.stall, control: http.NewResponseController(w)}
		r.Body = answer.body
		defer answer.body.done()
	}
	f.to.ServeHTTP(answer, r.WithContext(context.WithValue(r.Context(), userKey{}, user)))
}

// judge returns whose request it is, or why it goes no further.
func (f *front) judge(r *http.Request) (*User, *apistatus.Error) {
	if f.hosts != nil && !f.known(r.Host) {
		return nil, forbidden("this API knows no host %s: call it by an address, as localhost, or by a name in --api-hosts", r.Host)
	}
	if err := f.origin.Check(asked(r)); err != nil {
		return nil, forbidden("%v", err)
	}
	if f.maxBody > 0 && r.ContentLength > f.maxBody {
		return nil, apistatus.TooLarge(f.maxBody)
	}
	user := f.who.user(r)
	if user == nil {
		return nil, errUnauthorized
	}
	return user, nil
}

// asked returns a request as what it comes to. Browsers keep no web page from
// talking on a connection that is upgraded, whatever its origin: what begins as
// reading is more than that.
func asked(r *http.Request) *http.Request {
	if r.Header.Get("Upgrade") == "" {
		return r
	}
	talk := *r
	talk.Method = http.MethodPost
	return &talk
}

// known reports whether a client may call the API by a name, which any web
// page can have lead to this address. Addresses are no names.
func (f *front) known(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.Trim(name, "[]"))
	if _, err := netip.ParseAddr(name); err == nil || strings.HasSuffix(name, ".localhost") {
		return true
	}
	return slices.Contains(f.hosts, strings.TrimSuffix(name, "."))
}
