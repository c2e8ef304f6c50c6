package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	showTimeout = 20 * time.Second      // for the first name and the first connection
	showPause   = 50 * time.Millisecond // between two tries
)

// show looks the first names up and opens the first connections, as any
// program in the pod would, and prints what came of it.
func show(ctx context.Context, out io.Writer, node, pod int) error {
	ctx, cancel := context.WithTimeout(ctx, showTimeout)
	defer cancel()
	fmt.Fprint(out, "\nsvcreg runs on a node with one pod, in namespaces of their own. The pod sees:\n\n")
	for _, name := range []string{"my-service.my-ns", "db.my-ns", "db-0.db.my-ns"} {
		addrs, err := until(ctx, func() ([]string, error) { return net.DefaultResolver.LookupHost(ctx, name) })
		if err != nil {
			return fmt.Errorf("look up %s: %w", name, err)
		}
		fmt.Fprintf(out, "  %-30s %s\n", name, strings.Join(addrs, " "))
	}
	for _, url := range []string{"http://my-service.my-ns/", "http://203.0.113.10/", "http://redis-master.my-ns:6379/"} {
		body, err := until(ctx, func() (string, error) { return fetch(ctx, url) })
		if err != nil {
			return fmt.Errorf("open %s: %w", url, err)
		}
		fmt.Fprintf(out, "  %-30s %s", url, body)
	}
	svcctl, err := beside("svcctl")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, `
Try more, in another terminal, as root.
From the pod:
  nsenter -t %[1]d -n -m curl http://my-service.my-ns/
  nsenter -t %[1]d -n -m dig +search SRV _sql._tcp.db.my-ns
From the node, which has etcd, DNS and the rules:
  nsenter -t %[2]d -n -m %[3]s get services -A
  nsenter -t %[2]d -n -m %[3]s env -n my-ns
  nsenter -t %[2]d -n -m curl http://127.0.0.1:8080/api/v1/namespaces/my-ns/services/my-service/proxy/
  nsenter -t %[2]d -n -m iptables-save -t nat

Ctrl-C ends it, and leaves nothing behind.
`, pod, node, svcctl)
	return nil
}

// beside returns the path of a program that was built with this one.
func beside(name string) (string, error) {
	this, err := os.Executable()
	return filepath.Join(filepath.Dir(this), name), err
}

// until tries something again until it works or ctx ends.
func until[T any](ctx context.Context, try func() (T, error)) (T, error) {
	for {
		result, err := try()
		if err == nil || ctx.Err() != nil {
			return result, err
		}
		select {
		case <-ctx.Done():
		case <-time.After(showPause):
		}
	}
}

// fetch returns the body at a URL.
func fetch(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}
