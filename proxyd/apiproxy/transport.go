package apiproxy

import (
	"cmp"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// transport sends a request to the first of its targets that can be dialled.
type transport struct {
	next     http.RoundTripper
	failures *failures
	now      func() time.Time
}

func (p *Proxy) newTransport() *transport {
	return &transport{
		next: &http.Transport{
			DialContext:           p.dialer.dial,
			DialTLSContext:        p.dialer.dialTLS,
			DisableCompression:    true, // what the client wants is the client's
			MaxIdleConns:          4096,
			MaxIdleConnsPerHost:   256,
			IdleConnTimeout:       90 * time.Second,
			ResponseHeaderTimeout: p.config.ResponseTimeout,
			ExpectContinueTimeout: time.Second,
		},
		failures: &p.failures,
		now:      time.Now,
	}
}

// RoundTrip implements http.RoundTripper. Another target is tried only where
// no connection came to be and nothing of the body has been read.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	x := exchangeOf(r.Context())
	body := &unread{ReadCloser: r.Body}
	var failed error
	for _, to := range t.failures.order(x.targets, t.now()) {
		x.target = to
		x.tries++
		res, err := t.next.RoundTrip(addressed(r, to, body))
		if err == nil {
			return res, nil
		}
		if !errors.As(err, new(dialError)) || r.Context().Err() != nil {
			return nil, err
		}
		if errors.Is(err, errAddress) {
			failed = cmp.Or(failed, err)
		} else {
			failed = err
			t.failures.add(to.address, t.now())
		}
		if body.begun.Load() {
			break
		}
	}
	return nil, failed
}

// addressed returns the request as it goes to one target.
func addressed(r *http.Request, to target, body *unread) *http.Request {
	out := *r
	u := *r.URL
	u.Scheme, u.Host = to.scheme, to.key
	if to.host != "" {
		out.Host = to.host
	}
	out.URL = &u
	if r.Body != nil && r.Body != http.NoBody {
		out.Body = body
	}
	return &out
}

// unread is a request's body that several targets may be offered, one after
// another, until it is read for the first time. Whoever made it closes it.
type unread struct {
	io.ReadCloser
	begun atomic.Bool
}

func (u *unread) Read(p []byte) (int, error) {
	u.begun.Store(true)
	return u.ReadCloser.Read(p)
}

// Close leaves the body open for the next target.
func (u *unread) Close() error { return nil }
