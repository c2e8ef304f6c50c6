package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// The private network is made of two processes beside the one that the user
// started, each in namespaces of its own: the node, which runs all of svcreg,
// and the pod, which asks it. They go with their parents, and the namespaces
// go with them.
const (
	nodeStage = "private-node"
	podStage  = "private-pod"
)

// The addresses of the private network.
var (
	nodeAddr    = netip.MustParsePrefix("192.0.2.10/24")
	podNetworks = prefixes("10.244.0.0/16", "fd00:244::/32")
	publicRange = netip.MustParsePrefix("203.0.113.0/24")
	// endpointAddrs are those that the examples name. They are the node's own
	// here.
	endpointAddrs = prefixes("10.244.1.2/32", "10.244.1.3/32", "10.244.2.2/32", "fd00:244:1::3/128", "fd00:244:2::2/128")
)

// runPrivate starts the node and waits for its end.
func runPrivate(ctx context.Context, cfg *config) error {
	node := stage(ctx, nodeStage, 1, cfg)
	// Ctrl-C goes to the foreground's process group; the node leaves it, and
	// is told by this process alone.
	node.SysProcAttr.Setpgid = true
	if err := node.Start(); err != nil {
		return fmt.Errorf("start the private node: %w", err)
	}
	if err := node.Wait(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("the private node: %w", err)
	}
	return nil
}

// stage returns the command that runs this program anew as another stage, in
// network and mount namespaces of its own. It is given the user's own flags,
// which follow the first skip words of the command line.
func stage(ctx context.Context, name string, skip int, cfg *config) *exec.Cmd {
	args := append([]string{name}, os.Args[skip:]...)
	cmd := exec.CommandContext(ctx, "/proc/self/exe", append(args, "--data-dir="+cfg.dataDir)...) //nolint:gosec // this program
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGTERM,
	}
	return cmd
}

// runNode is the node's process.
func runNode(ctx context.Context, cfg *config) error {
	if err := useResolver(cfg.dataDir, nodeAddr.Addr(), cfg.zone); err != nil {
		return err
	}
	pod := stage(ctx, podStage, 2, cfg)
	ready, err := pod.StdinPipe()
	if err != nil {
		return err
	}
	if err := pod.Start(); err != nil {
		return fmt.Errorf("start the private pod: %w", err)
	}
	defer func() { _ = pod.Wait() }()
	defer ready.Close()
	if err := buildNetwork(pod.Process.Pid); err != nil {
		return fmt.Errorf("private network: %w", err)
	}
	endpoints, err := serveEndpoints(ctx)
	if err != nil {
		return err
	}
	defer endpoints.close()
	cfg.becomePrivate()
	return serve(ctx, cfg, func(context.Context) error {
		// The pod shows the rest.
		_, err := fmt.Fprintf(ready, "%d %d\n", os.Getpid(), pod.Process.Pid)
		return err
	})
}

// becomePrivate sets what the private network decides.
func (c *config) becomePrivate() {
	c.network = private
	c.etcdListen = []string{"http://127.0.0.1:2379", "http://" + netip.AddrPortFrom(nodeAddr.Addr(), 4001).String()}
	c.dnsListen = []string{netip.AddrPortFrom(nodeAddr.Addr(), 53).String()}
	c.proxy.NodeName = "node"
	c.proxy.ClusterCIDRs = podNetworks
	c.proxy.PublicIPRanges = []netip.Prefix{publicRange}
	// The terminal is for what the pod sees, and for what goes wrong.
	c.proxy.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
}

// prefixes parses networks, or addresses with their networks' lengths.
func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		all[i] = netip.MustParsePrefix(text)
	}
	return all
}

// useResolver makes a DNS server the one that this mount namespace's programs
// ask. It must have been made for this process alone.
func useResolver(dir string, server netip.Addr, zone string) error {
	file := filepath.Join(dir, "resolv.conf")
	text := fmt.Sprintf("nameserver %s\nsearch svc.%s %s\noptions ndots:2 timeout:1\n", server, zone, zone)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil { //nolint:gosec // everybody reads resolv.conf
		return err
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := syscall.Mount(file, "/etc/resolv.conf", "", syscall.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount %s over /etc/resolv.conf: %w", file, err)
	}
	return nil
}

// runPod is the pod's process. It waits for the node to say that all is up,
// shows what the pod sees, and stays until the node closes its standard input.
func runPod(ctx context.Context, cfg *config, stdin io.Reader, out io.Writer) error {
	if err := useResolver(cfg.dataDir, nodeAddr.Addr(), cfg.zone); err != nil {
		return err
	}
	lines := bufio.NewScanner(stdin)
	var node, pod int
	if !lines.Scan() {
		return nil
	}
	if _, err := fmt.Sscan(lines.Text(), &node, &pod); err != nil {
		return fmt.Errorf("the node's word: %w", err)
	}
	if err := show(ctx, out, node, pod); err != nil {
		return err
	}
	lines.Scan()
	return nil
}
