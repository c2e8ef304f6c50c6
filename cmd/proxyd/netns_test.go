//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A service written to etcd is reached at its portal IP and its public
// address, by TCP and UDP, and what changes is followed.
func TestServicesAreReached(t *testing.T) {
	f := newFleet(t)
	f.start()
	f.reaches(f.client, "tcp", portal, "one")
	f.reaches(f.client, "udp", portal, "one")
	f.reaches(f.node, "tcp", portal, "one")
	f.reaches(f.client, "tcp", "10.1.0.1:80", "one") // an address of the node
	for _, network := range []string{"tcp", "udp"} {
		f.reaches(f.client, network, "10.1.2.1:30080", "one") // its node port
		f.reaches(f.node, network, "10.1.0.1:30080", "one")
	}

	flow, err := f.client.Dial(t.Context(), "udp", portal)
	if err != nil {
		t.Fatal(err)
	}
	defer flow.Close()
	if got, err := answer(flow, patient); got != "one" {
		t.Fatalf("answered by %q, %v", got, err)
	}
	f.endpoints("two")
	f.reaches(f.client, "tcp", portal, "two")
	f.eventually("a socket that is kept follows", func() error {
		if got, err := answer(flow, soon); got != "two" {
			return errors.Join(errors.New("answered by "+got), err)
		}
		return nil
	})

	f.endpoints()
	f.eventually("a service without endpoints refuses at once", func() error {
		if _, err := f.ask(f.client, "tcp", portal, soon); !errors.Is(err, syscall.ECONNREFUSED) {
			return errors.Join(errors.New("want a refusal"), err)
		}
		return nil
	})
	f.endpoints("one", "two")
	f.reaches(f.client, "udp", portal, "one")
	f.reaches(f.client, "udp", portal, "two")
}

// The port of a process on the node stays the process's.
func TestProcessesKeepTheirPorts(t *testing.T) {
	f := newFleet(t)
	f.serve(f.node)
	f.start()
	f.reaches(f.client, "tcp", portal, "one")
	f.reaches(f.client, "tcp", "10.1.0.1:80", "node")
}

// However proxyd ends, and while it begins again with etcd there or away,
// connections are made.
func TestRestartsUnderLoad(t *testing.T) {
	f := newFleet(t)
	file := "--snapshot=" + t.TempDir() + "/snapshot"
	stop := f.start(file)
	f.reaches(f.client, "tcp", portal, "one")
	more := f.load()
	for i, s := range []os.Signal{syscall.SIGTERM, os.Kill, syscall.SIGINT} {
		more(20)
		stop(s)
		more(20)
		stop = f.start(file)
		more(20)
		f.endpoints([][]string{{"one", "two"}, {"two"}, {"one"}}[i]...)
		f.reaches(f.client, "tcp", portal, []string{"two", "two", "one"}[i])
	}
	stop(syscall.SIGTERM)
	f.etcd.Stop()
	for _, args := range [][]string{{file}, nil} { // from disk, and knowing nothing
		stop = f.start(args...)
		more(200)
		stop(syscall.SIGTERM)
	}
	f.etcd.Restart()
	f.start(file)
	f.endpoints("two")
	f.reaches(f.client, "tcp", portal, "two")
	more(20)
}

// Cleanup leaves the node's own rules, and nothing of proxyd's.
func TestCleanup(t *testing.T) {
	for _, backend := range []string{"nft", "legacy"} {
		t.Run(backend, func(t *testing.T) {
			f := newFleet(t)
			f.iptables(backend, "", "-A", "INPUT", "-s", "192.0.2.66", "-j", "DROP")
			f.iptables(backend, "", "-t", "nat", "-A", "POSTROUTING", "-s", "10.9.0.0/16", "-j", "MASQUERADE")
			before := f.iptables(backend, "-save")
			stop := f.start("--iptables-backend=" + backend)
			f.reaches(f.client, "tcp", portal, "one")
			stop(syscall.SIGTERM)
			if !strings.Contains(f.iptables(backend, "-save"), "SVCREG-") {
				t.Error("the rules are gone when proxyd ends")
			}
			f.run("cleanup", "--iptables-backend="+backend)
			if diff := cmp.Diff(before, f.iptables(backend, "-save")); diff != "" {
				t.Errorf("iptables-save (-before +after):\n%s", diff)
			}
			f.run("cleanup", "--iptables-backend="+backend) // again does no harm
		})
	}
}

// What render prints is what is then found in the kernel, chain for chain.
func TestRenderPrintsWhatIsProgrammed(t *testing.T) {
	f := newFleet(t)
	args := []string{"--cluster-cidr=10.1.0.0/16", "--iptables-backend=nft"}
	rendered := chains(f.run(append([]string{"render"}, args...)...))
	if saved := f.iptables("nft", "-save"); strings.Contains(saved, "SVCREG") {
		t.Errorf("render touched the kernel:\n%s", saved)
	}
	f.start(args...)
	f.reaches(f.client, "tcp", portal, "one")
	f.eventually("the same chains", func() error { // those of the other tables may come after those that lead there
		if diff := cmp.Diff(rendered, chains(f.iptables("nft", "-save"))); diff != "" {
			return fmt.Errorf("chains (-rendered +in the kernel):\n%s", diff)
		}
		return nil
	})
}

// iptables runs an iptables command on the node; the dates and counters of its
// answer, and lines of chains in no order, are put aside.
func (f *fleet) iptables(backend, command string, args ...string) string {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.t.Context(), patient)
	defer cancel()
	out, err := f.node.Command(ctx, "iptables-"+backend+command, args...).CombinedOutput()
	if err != nil {
		f.t.Fatalf("iptables-%s%s %q: %v: %s", backend, command, args, err, out)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, "#") {
			lines = append(lines, regexp.MustCompile(`\[\d+:\d+\]`).ReplaceAllString(line, "[0:0]"))
		}
	}
	return strings.Join(lines, "")
}

// chains returns the rules of each of our chains of IPv4, as iptables-save or
// iptables-restore has them.
func chains(text string) map[string][]string {
	text, _, _ = strings.Cut(text, "# IPv6")
	found := map[string][]string{}
	table := ""
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "*"):
			table = strings.TrimSpace(line)
		case strings.HasPrefix(line, ":SVCREG"):
			found[table+" "+words[0][1:]] = []string{}
		case strings.HasPrefix(line, "-A SVCREG"):
			chain := table + " " + words[1]
			found[chain] = append(found[chain], strings.Join(words[2:], " "))
		case strings.Contains(line, "SVCREG") && len(words) > 2: // a jump to us
			rule := slices.DeleteFunc(words[2:], func(w string) bool { return w == "1" })
			found[table+" "+words[1]] = []string{strings.Join(rule, " ")}
		}
	}
	return found
}
