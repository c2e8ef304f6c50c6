package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/svcreg/svcreg/test/lab"
)

// What `make run` starts: it shows a name and a connection by itself, lets the
// user try more from the pod and the node, leaves the machine alone, and is
// gone after Ctrl-C.
func TestStandaloneShowsItself(t *testing.T) {
	lab.New(t, "nsenter", "curl", "dig") // says why where it can't be run
	before := machine(t)
	d := run(t, nil, program(t, "svcreg-standalone"))
	eventually(t, patience, "it shows itself", func() error {
		if !strings.Contains(d.output.String(), "Ctrl-C ends it") {
			return errors.New(d.output.String())
		}
		return nil
	})
	shown := d.output.String()
	for _, pattern := range []string{
		`(?m)^  my-service\.my-ns +10\.0\.\d+\.\d+$`,
		`(?m)^  db\.my-ns +10\.244\.\d\.2 10\.244\.\d\.2$`,
		`(?m)^  http://my-service\.my-ns/ +endpoint 10\.244\.\d\.\d:8080 answers 10\.244\.9\.2:\d+$`,
		`(?m)^  http://203\.0\.113\.10/ +endpoint 10\.244\.\d\.\d:8080 answers `,
	} {
		if !regexp.MustCompile(pattern).MatchString(shown) {
			t.Errorf("it did not show %s:\n%s", pattern, shown)
		}
	}
	// What it says to try does what it says.
	commands := regexp.MustCompile(`(?m)^  (nsenter .*)$`).FindAllStringSubmatch(shown, -1)
	if len(commands) < 4 {
		t.Fatalf("it suggests only %v", commands)
	}
	for _, command := range commands {
		words := strings.Fields(command[1])
		cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
		cmd.Dir = ".."
		if out, err := cmd.CombinedOutput(); err != nil || len(out) == 0 {
			t.Errorf("%s: %v: %s", command[1], err, out)
		}
	}

	d.signal(syscall.SIGINT)
	<-d.done
	if code := d.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d after Ctrl-C, want 0", code)
	}
	if after := machine(t); after != before {
		t.Errorf("the machine is not as it was:\n%s\nbefore:\n%s", after, before)
	}
	for _, pid := range regexp.MustCompile(`-t (\d+)`).FindAllStringSubmatch(shown, -1) {
		if _, err := os.Stat("/proc/" + pid[1]); err == nil {
			t.Errorf("process %s is left", pid[1])
		}
	}
	if left, _ := filepath.Glob(filepath.Join(d.tmp, "*")); len(left) > 0 {
		t.Errorf("files are left: %v", left)
	}
}

// For real, on one machine: names and portal IPs on the machine's own network,
// kept over a restart, with Corefile.example beside it.
func TestStandaloneOnItsHost(t *testing.T) {
	host := lab.New(t, "iptables").Host("machine")
	host.Addr("lo", "192.0.2.10/32", "10.1.0.2/32")
	host.Route("default dev lo src 192.0.2.10")
	f := &fleet{t: t, node1: host, dir: t.TempDir()}
	serveHTTP(t, host, "8080")
	d := run(t, host, program(t, "svcreg-standalone"), "--network=host", "--data-dir="+f.dir,
		"--dns-listen=127.0.0.1:53,192.0.2.10:53", "--portal-net=10.0.0.0/24", "--proxy-mode=iptables")
	f.waitUp(d)
	f.apply(`{"kind": "Service", "apiVersion": "v1beta1", "id": "web", "namespace": "my-ns", "port": 80, "portalIP": "10.0.0.8"}
		{"kind": "Endpoints", "apiVersion": "v1beta1", "id": "web", "namespace": "my-ns", "endpoints": ["10.1.0.2:8080"]}`)
	reached := func() error {
		a, err := f.get(host, "http://web.my-ns/")
		return errors.Join(err, want(a.server, "machine"))
	}
	eventually(t, patience, "the service is reached", reached)

	d.stop()
	d.start()
	eventually(t, patience, "the service is reached after a restart", reached)

	corefile, err := filepath.Abs("../Corefile.example")
	if err != nil {
		t.Fatal(err)
	}
	run(t, host, program(t, "coredns"), "-conf", corefile)
	eventually(t, patience, "Corefile.example serves the registry", func() error {
		out, err := host.Command(t.Context(), "dig", "+short", "@127.0.0.1", "-p", "1053", "web.my-ns.svc.cluster.local").CombinedOutput()
		return errors.Join(err, want(string(out), "10.0.0.8\n"))
	})
}

// All parts follow the etcd of the process, wherever that listens.
func TestStandaloneFollowsItsOwnEtcd(t *testing.T) {
	host := lab.New(t, "iptables").Host("machine")
	f := &fleet{t: t, node1: host}
	d := run(t, host, program(t, "svcreg-standalone"), "--network=host", "--examples", "--etcd-listen=http://127.0.0.1:4001")
	f.waitUp(d)
	eventually(t, patience, "proxyd is ready", f.ready(host, "10256/readyz"))
	eventually(t, patience, "the examples resolve", func() error {
		out, err := host.Command(t.Context(), "dig", "+short", "@127.0.0.1", "-p", "1053", "redis-master.my-ns.svc.cluster.local").CombinedOutput()
		return errors.Join(err, want(string(out), "10.0.0.11\n"))
	})
}

// Without root names resolve, and it says what is missing.
func TestStandaloneWithoutRoot(t *testing.T) {
	host := lab.New(t).Host("machine")
	d := run(t, host, "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
		"env", "TMPDIR="+openDir(t), program(t, "svcreg-standalone"))
	f := &fleet{t: t, node1: host}
	f.waitUp(d)
	if said := d.output.String(); !strings.Contains(said, "Without root: no network namespaces and no portal IPs.") {
		t.Errorf("it said %q", said)
	}
	eventually(t, patience, "the examples resolve", func() error {
		out, err := host.Command(t.Context(), "dig", "+short", "@127.0.0.1", "-p", "1053", "redis-master.my-ns.svc.cluster.local").CombinedOutput()
		return errors.Join(err, want(string(out), "10.0.0.11\n"))
	})
}

// A wrong flag is one clear error, and changes nothing.
func TestStandaloneRefusesWrongFlags(t *testing.T) {
	for _, test := range []struct {
		flags string
		code  int
		want  string
	}{
		{"--nonsense", 2, "svcreg-standalone: usage: unknown flag: --nonsense\n"},
		{"start", 2, "svcreg-standalone: usage: \"start\": want only flags; see --help\n"},
		{"--network=lan", 2, "svcreg-standalone: usage: --network: \"lan\": want private or host\n"},
		{"--network=host --portal-net=10.0.0.0", 2, "svcreg-standalone: usage: --portal-net: \"10.0.0.0\": want a network such as 10.0.0.0/16\n"},
		{"--network=host --dns-listen=localhost", 2, "svcreg-standalone: usage: --dns-listen: \"localhost\": want an address and port such as 127.0.0.1:1053\n"},
		{"--network=host --etcd-listen=127.0.0.1:2379", 2, "svcreg-standalone: usage: --etcd-listen: \"127.0.0.1:2379\": want a URL such as http://127.0.0.1:2379\n"},
		{"--network=host --api-listen=:8080", 2, "svcreg-standalone: usage: --api-listen: \":8080\": others can reach this address: want --api-tls-cert and --api-tls-key, or --api-insecure\n"},
		{"--network=host --zone=a..b", 2, "svcreg-standalone: usage: --zone: \"a..b\": want a domain name such as cluster.local\n"},
		{"--dns-listen=127.0.0.1:53", 2, "svcreg-standalone: usage: --dns-listen: the private network has its own; want --network=host with it\n"},
		{"--network=host --data-dir=/dev/null", 1, "svcreg-standalone: --data-dir: mkdir /dev/null: not a directory\n"},
	} {
		cmd := exec.CommandContext(t.Context(), program(t, "svcreg-standalone"), strings.Fields(test.flags)...)
		cmd.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
		out, err := cmd.CombinedOutput()
		if exit := new(exec.ExitError); !errors.As(err, &exit) || exit.ExitCode() != test.code || string(out) != test.want {
			t.Errorf("%s: %v\n got %s\nwant %s", test.flags, err, out, test.want)
		}
	}
}

// waitUp waits until svcreg-standalone says that it is up.
func (f *fleet) waitUp(d *daemon) {
	f.t.Helper()
	eventually(f.t, patience, "svcreg-standalone is up", func() error {
		if said := d.output.String(); !strings.Contains(said, "svcreg is up") {
			return fmt.Errorf("it said %q", said)
		}
		return nil
	})
}

// machine returns what svcreg-standalone must leave as it is.
func machine(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, command := range []string{"ip -br link", "ip netns", "ip rule", "ip route", "iptables-nft-save -t nat", "cat /proc/self/mounts", "cat /etc/resolv.conf"} {
		words := strings.Fields(command)
		out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).CombinedOutput()
		fmt.Fprintf(&b, "%s: %v\n", command, err)
		for line := range strings.Lines(string(out)) {
			if !strings.HasPrefix(line, "#") { // iptables-save says the time
				b.WriteString(line)
			}
		}
	}
	return b.String()
}

// openDir returns a temporary folder that any user may write to.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "svcreg-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}
