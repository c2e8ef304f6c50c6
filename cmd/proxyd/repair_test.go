//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// What others do to the rules is repaired before anybody has to wait for long.
func TestForeignChangesAreRepaired(t *testing.T) {
	for _, tt := range []struct {
		mode  string
		deeds []string
	}{
		{"--iptables-backend=nft", []string{"iptables-nft -t nat -F", "iptables-nft -t nat -D PREROUTING -j SVCREG-SERVICES", "nft flush ruleset"}},
		{"--iptables-backend=legacy", []string{"iptables-legacy -t nat -F", "iptables-legacy -t nat -F SVCREG-SERVICES"}},
		{"--proxy-mode=nftables", []string{"nft flush ruleset", "nft delete table ip svcreg", "nft flush table ip svcreg"}},
	} {
		t.Run(tt.mode, func(t *testing.T) {
			f := newFleet(t)
			f.start(tt.mode)
			f.reaches(f.client, "tcp", portal, "one")
			for _, deed := range tt.deeds {
				f.repairs(strings.Fields(deed)...)
			}
		})
	}
}

// repairs runs a command that destroys rules on the node, and waits until they
// stand again.
func (f *fleet) repairs(command ...string) {
	f.t.Helper()
	before := f.metric("proxyd_repairs_total")
	ctx, cancel := context.WithTimeout(f.t.Context(), patient)
	defer cancel()
	if out, err := f.node.Command(ctx, command[0], command[1:]...).CombinedOutput(); err != nil {
		f.t.Fatalf("%q: %v: %s", command, err, out)
	}
	f.eventually(fmt.Sprintf("%q is noticed", command), func() error {
		if f.metric("proxyd_repairs_total") == before {
			return errors.New("nothing was repaired")
		}
		return nil
	})
	f.reaches(f.client, "tcp", portal, "one")
}

// metric returns the value of one of proxyd's metrics.
func (f *fleet) metric(name string) float64 {
	f.t.Helper()
	_, body := f.get("127.0.0.1:10249", "/metrics")
	for line := range strings.Lines(body) {
		if text, ok := strings.CutPrefix(line, name+" "); ok {
			value, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				f.t.Fatalf("%s: %v", name, err)
			}
			return value
		}
	}
	f.t.Fatalf("no metric %s in:\n%s", name, body)
	return 0
}

// get asks an HTTP server on the node.
func (f *fleet) get(address, path string) (status int, body string) {
	f.t.Helper()
	return f.request(address, func(c *http.Client, at string) (*http.Response, error) { return c.Get(at + path) })
}

// post has an HTTP server on the node make something of JSON.
func (f *fleet) post(address, path, json string) (status int, body string) {
	f.t.Helper()
	return f.request(address, func(c *http.Client, at string) (*http.Response, error) {
		return c.Post(at+path, "application/json", strings.NewReader(json))
	})
}

// request has a client on the node send a request to an HTTP server there, whose URL
// it is given, and returns the answer; status 0 and the error if there is none.
func (f *fleet) request(address string, send func(c *http.Client, at string) (*http.Response, error)) (status int, body string) {
	f.t.Helper()
	client := http.Client{Timeout: patient, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return f.node.Dial(ctx, network, address)
		},
	}}
	resp, err := send(&client, "http://"+address)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	content, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(content)
}

// A load balancer learns at the service's own port whether the node has
// endpoints, and at /healthz whether the node stays.
func TestHealthChecks(t *testing.T) {
	f := newFleet(t)
	f.put("/registry/services/specs/default/web", `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web"},
		"spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "healthCheckNodePort": 31080,
			"clusterIP": "10.0.0.80", "ports": [{"name": "t", "protocol": "TCP", "port": 80}]}}`)
	f.start("--hostname-override=here")
	answers := func(address, path string, status int, text string) {
		t.Helper()
		f.eventually(path, func() error {
			got, body := f.get(address, path)
			if got != status || !strings.Contains(body, text) {
				return fmt.Errorf("%d %s, want %d with %s", got, body, status, text)
			}
			return nil
		})
	}
	slice := func(node string) {
		t.Helper()
		f.put("/registry/endpointslices/default/web-1", `{"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
			"metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
			"endpoints": [{"addresses": ["10.1.1.2"], "nodeName": "`+node+`"}], "ports": [{"name": "t", "port": 80}]}`)
	}
	slice("there")
	for _, address := range []string{"10.1.0.1:31080", "127.0.0.1:31080", "[::1]:31080"} {
		answers(address, "/", http.StatusServiceUnavailable, `"localEndpoints":0`)
	}
	slice("here")
	answers("10.1.0.1:31080", "/", http.StatusOK, `{"service":{"namespace":"default","name":"web"},"localEndpoints":1,"serviceProxyHealthy":true}`)

	answers("127.0.0.1:10256", "/healthz", http.StatusOK, `"nodeEligible":true`)
	f.put("/registry/minions/here", `{"kind": "Node", "apiVersion": "v1", "metadata": {"name": "here"},
		"spec": {"taints": [{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]}}`)
	answers("127.0.0.1:10256", "/healthz", http.StatusServiceUnavailable, `"nodeEligible":false`)
	answers("127.0.0.1:10256", "/livez", http.StatusOK, `"healthy":true`)

	f.put("/registry/services/specs/default/last", `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "last"},
		"spec": {"clusterIP": "10.0.0.81", "ports": [{"port": 80}]}}`)
	f.eventually("a change is measured", func() error {
		if f.metric("proxyd_programming_duration_seconds_count") == 0 {
			return errors.New("nothing was")
		}
		return nil
	})
}
