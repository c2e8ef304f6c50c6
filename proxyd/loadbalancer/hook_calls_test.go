package loadbalancer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/svcreg/svcreg/registry"
)

// Calls for one service never overlap, of different ones a few do, and what a
// service came to be during a call is told after it.
func TestCallsAtOnce(t *testing.T) {
	const services = 12
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.0/27"]`)
	c := s.config("one")
	var calls func() string
	c.Hook, calls = s.hook(`sleep 0.3; echo "end $SVCREG_NAMESPACE/$SVCREG_NAME ." >>"${0%/*}/calls"`)
	for i := range services {
		s.v1(fmt.Sprint("web-", i), "")
	}
	s.run(c)
	s.eventually("a call", func() string { return fmt.Sprint(strings.Contains(calls(), "add shop/")) }, "true")
	_, rest, _ := strings.Cut(calls(), "add shop/")
	name, _, _ := strings.Cut(rest, " ")
	for i := range 3 {
		s.v1(name, fmt.Sprintf(`, "sessionAffinity": "ClientIP", "healthCheckNodePort": %d`, 30000+i))
	}
	for i := range services {
		s.eventually("an address", func() string { return fmt.Sprint(s.addrs(fmt.Sprint("web-", i)) != "") }, "true")
	}
	s.eventually("the last of the changes", func() string { return fmt.Sprint(strings.Contains(calls(), "ClientIP")) }, "true")
	at, most, under := 0, 0, map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(calls()), "\n") {
		words := strings.Fields(line)
		if words[0] == "end" {
			at--
			under[words[1]]--
			continue
		}
		at++
		most = max(most, at)
		if under[words[1]]++; under[words[1]] > 1 {
			t.Errorf("two calls for %s at once", words[1])
		}
	}
	if most < 2 || most > 4 {
		t.Errorf("%d calls at once, want up to 4", most)
	}
}

// A hook that fails is called again after pauses that grow.
func TestCallsAgain(t *testing.T) {
	s := newSite(t)
	c := s.config("one")
	var calls func() string
	c.Hook, calls = s.hook("exit 1")
	s.run(c)
	start := time.Now()
	s.v1("web", "")
	s.eventually("six calls", func() string { return fmt.Sprint(strings.Count(calls(), "add") > 5) }, "true")
	if took := time.Since(start); took < time.Second { // half of 0.1, 0.2, 0.4, 0.8 and 1.6 seconds, at least
		t.Errorf("six calls within %v", took)
	}
}

func TestRetries(t *testing.T) {
	k, other := registry.Key{Name: "web"}, registry.Key{Name: "other"}
	now := time.Unix(1e9, 0)
	pauses := map[time.Duration]bool{}
	for range 20 {
		r := newRetries()
		full := 100 * time.Millisecond
		for i := range 30 {
			r.failed(k, now)
			at, ok := r.next()
			pause := at.Sub(now)
			if !ok || pause < full/2 || pause >= full {
				t.Fatalf("failure %d: pause %v, want %v to %v", i, pause, full/2, full)
			}
			if !r.waits(k, at.Add(-1)) || r.waits(k, at) || len(r.due(at.Add(-1))) != 0 || !r.due(at)[k] || len(r.due(at)) != 0 {
				t.Fatalf("failure %d: it isn't due after its pause, and once", i)
			}
			full = min(2*full, time.Minute)
			pauses[pause] = true
		}
		r.failed(k, now)
		r.failed(other, now)
		if at, _ := r.next(); at.Sub(now) >= 100*time.Millisecond {
			t.Error("the next isn't the first")
		}
		r.done(k)
		r.failed(k, now)
		if r.failures[k] != 1 || r.at[k].Sub(now) >= 100*time.Millisecond {
			t.Error("what succeeded isn't forgotten")
		}
	}
	if len(pauses) < 300 {
		t.Errorf("%d different pauses of 600", len(pauses))
	}
}

// What a hook was told that isn't as it was any more it is told anew: also where
// it couldn't be told that the service had gone, and by the next leader.
func TestHookIsToldAnew(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1"]`)
	c := s.config("one")
	slow := filepath.Join(t.TempDir(), "slow")
	var calls func() string
	c.Hook, calls = s.hook(`[ $1 = remove ] || exit 0; [ -e ` + slow + ` ] && sleep 60; exit 1`)
	stop := s.run(c)
	s.v1("web", "")
	s.has("web", "203.0.113.1")
	s.quiet()
	known := strings.Count(calls(), "add shop/web")
	s.put(specKey("web"), strings.Replace(s.get(specKey("web")), "LoadBalancer", "ClusterIP", 1))
	s.eventually("a removal", func() string { return fmt.Sprint(strings.Contains(calls(), "remove shop/web")) }, "true")
	s.v1("web", "")
	s.has("web", "203.0.113.1")
	s.eventually("it is told anew", func() string { return fmt.Sprint(strings.Count(calls(), "add shop/web") > known) }, "true")
	s.quiet()

	s.must(os.WriteFile(slow, nil, 0o600))
	was, known := s.get(specKey("web")), strings.Count(calls(), "add shop/web")
	removed := strings.Count(calls(), "remove shop/web")
	s.remove(specKey("web"))
	s.told(calls, "remove shop/web", removed+1)
	stop()
	s.put(specKey("web"), was)
	stop = s.run(c)
	s.eventually("the next leader tells it anew", func() string { return fmt.Sprint(strings.Count(calls(), "add shop/web") > known) }, "true")
	s.quiet()
	stop()
	var others func() string
	c.Hook, others = s.hook("")
	s.run(c)
	s.eventually("another hook is told", func() string { return fmt.Sprint(strings.Contains(others(), "add shop/web")) }, "true")
}

// A hook that failed to add a service may have done half of it: it is told that
// the service is gone, too.
func TestHookThatFailedIsToldOfTheEnd(t *testing.T) {
	s := newSite(t)
	c := s.config("one")
	var calls func() string
	c.Hook, calls = s.hook("[ $1 = remove ]")
	s.run(c)
	s.v1("web", "")
	s.eventually("the note", func() string { return fmt.Sprint(s.note("web") != "") }, "true")
	s.remove(specKey("web"))
	s.told(calls, "remove shop/web", 1)
	s.eventually("what the hook was told", func() string { return s.get("/registry/svcreg/hooked/shop/web") }, "")
}

// However a hook ends, what it started ends with it.
func TestCallLeavesNobody(t *testing.T) {
	for name, test := range map[string]struct{ then, want string }{
		"it succeeds":                {"sleep 60 </dev/null >/dev/null 2>&1 & echo 203.0.113.1", ""},
		"it fails":                   {"sleep 60 </dev/null >/dev/null 2>&1 & exit 3", "exit status 3"},
		"its output stays open":      {"sleep 60 & echo 203.0.113.1", "before I/O complete"},
		"it fails, and that is open": {"sleep 60 & exit 3", "exit status 3"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pipe := filepath.Join(t.TempDir(), "pipe")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			open, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer open.Close()
			path, _ := (&site{T: t}).hook("exec 3>" + pipe + "\n" + test.then)
			addrs, err := call(t.Context(), path, patience, add, registry.Key{Namespace: "shop", Name: "web"}, []byte("{}\n"))
			switch {
			case test.want == "" && (err != nil || len(addrs) != 1):
				t.Errorf("%v, %v", addrs, err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%v, want %s", err, test.want)
			}
			_ = open.SetReadDeadline(time.Now().Add(patience))
			if _, err := open.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("what it started goes on")
			}
		})
	}
}

// The name of a hook is no command line.
func TestCallHasNoShell(t *testing.T) {
	s := &site{T: t}
	path, _ := s.hook("echo 203.0.113.1")
	odd := filepath.Join(t.TempDir(), "my hook; exit 7 #")
	s.must(os.Rename(path, odd))
	addrs, err := call(t.Context(), odd, patience, add, registry.Key{Namespace: "shop", Name: "web"}, []byte("{}\n"))
	if err != nil || len(addrs) != 1 {
		t.Errorf("%v, %v", addrs, err)
	}
}

// Of a flood a part is kept, and what is said is its last line.
func TestLimited(t *testing.T) {
	var l limited
	for range 5 {
		if n, err := l.Write(make([]byte, 20<<10)); n != 20<<10 || err != nil {
			t.Errorf("wrote %d, %v", n, err)
		}
	}
	if l.Len() != 64<<10 {
		t.Errorf("%d bytes are kept", l.Len())
	}
	var e limited
	fmt.Fprintf(&e, "first\n%s\n\n", strings.Repeat("x", 300))
	if got := e.said(); got != `: it said "`+strings.Repeat("x", 200)+`"` {
		t.Error(got)
	}
}
