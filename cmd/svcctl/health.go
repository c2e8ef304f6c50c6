package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"time"

	"github.com/svcreg/svcreg/registry"
)

const (
	// fall is after how many failures in a row a workload is no longer ready.
	fall = 3
	// eager is how often a workload is looked at until it is ready for the
	// first time.
	eager = 200 * time.Millisecond
)

// health is how to find out whether a workload is ready.
type health struct {
	interval time.Duration
	check    func(context.Context) error
}

// newHealth reads what to check: nothing, "tcp", "tcp://:PORT" or
// "http://:PORT/PATH". Where no host stands it is the workload's address.
func newHealth(text string, interval time.Duration, pod *registry.Pod) (*health, error) {
	h := &health{interval: interval}
	switch {
	case text == "":
		return nil, nil
	case interval <= 0:
		return nil, usagef("--health-interval %s: want a duration above zero", interval)
	case text == "tcp":
		for _, p := range pod.Ports {
			if p.Protocol == registry.TCP {
				h.check = connects(netip.AddrPortFrom(pod.IPs[0], p.Port).String())
				return h, nil
			}
		}
		return nil, usagef("--health tcp: want a TCP port, by -p")
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "tcp" && u.Scheme != "http" || u.Port() == "" && u.Scheme == "tcp" {
		return nil, usagef("--health %q: want tcp, tcp://:PORT or http://:PORT/PATH", text)
	}
	if u.Hostname() == "" {
		u.Host = net.JoinHostPort(pod.IPs[0].String(), orPort(u.Port(), 80))
	}
	if h.check = answers(u.String()); u.Scheme == "tcp" {
		h.check = connects(u.Host)
	}
	return h, nil
}

func orPort(port string, otherwise int) string {
	if port == "" {
		return strconv.Itoa(otherwise)
	}
	return port
}

// connects checks that somebody takes connections at an address.
func connects(address string) func(context.Context) error {
	return func(ctx context.Context) error {
		var dialer net.Dialer
		socket, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return socket.Close()
	}
}

// answers checks that a URL is answered with a status of 200 to 399, as a
// kubelet does.
func answers(url string) func(context.Context) error {
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		_ = response.Body.Close()
		if response.StatusCode < 200 || response.StatusCode > 399 {
			return fmt.Errorf("%s: %s", url, response.Status)
		}
		return nil
	}
}

// follow sends whether the workload is ready, whenever that changes, until ctx
// ends. A workload without a check is ready at once, and stays it.
func (h *health) follow(ctx context.Context, ready chan<- bool) {
	if h == nil {
		send(ctx, ready, true)
		return
	}
	failures, is, pause := 0, false, min(eager, h.interval)
	for ctx.Err() == nil {
		checking, cancel := context.WithTimeout(ctx, h.interval)
		err := h.check(checking)
		cancel()
		if failures++; err == nil {
			failures, pause = 0, h.interval
		}
		if now := err == nil || is && failures < fall; now != is {
			is = now
			send(ctx, ready, is)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

func send(ctx context.Context, to chan<- bool, value bool) {
	select {
	case <-ctx.Done():
	case to <- value:
	}
}
