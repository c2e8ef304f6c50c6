package loadbalancer

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry"
)

// hook writes a script that notes each call in a file, and then does something.
func (s *site) hook(then string) (path string, calls func() string) {
	s.Helper()
	dir := s.TempDir()
	path, file := filepath.Join(dir, "hook"), filepath.Join(dir, "calls")
	script := "#!/bin/sh\nread -r text\necho \"$1 $SVCREG_NAMESPACE/$SVCREG_NAME $text\" >>" + file + "\n" + then + "\n"
	// Nobody forks meanwhile: the child would have the file open, too, which
	// makes it busy for whoever calls it.
	syscall.ForkLock.RLock()
	err := os.WriteFile(path, []byte(script), 0o700)
	syscall.ForkLock.RUnlock()
	s.must(err)
	return path, func() string {
		text, _ := os.ReadFile(file)
		return string(text)
	}
}

// told waits until the hook was called so often with something.
func (s *site) told(calls func() string, with string, times int) {
	s.Helper()
	s.called(calls, with, func(n int) bool { return n == times })
}

// retold waits until the hook was called with something more than once.
func (s *site) retold(calls func() string, with string) {
	s.Helper()
	s.called(calls, with, func(n int) bool { return n > 1 })
}

func (s *site) called(calls func() string, with string, enough func(int) bool) {
	s.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		if enough(strings.Count(calls(), with)) {
			return
		}
	}
	s.Fatalf("calls with %q:\n%s\n%s", with, calls(), s.log)
}

// What the hook prints goes before what a pool has.
func TestHookGives(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1"]`)
	c := s.config("one")
	var calls func() string
	c.Hook, calls = s.hook(`if [ $1 = add ]; then echo 198.51.100.7 2001:db8::7; fi`)
	stop := s.run(c)
	s.v1("web", "")
	s.has("web", "198.51.100.7 2001:db8::7")
	s.quiet()
	s.told(calls, "add shop/web", 1)
	if got := s.holders("198.51.100.7"); got != "web" {
		t.Errorf("198.51.100.7 is held by %q", got)
	}
	if text := calls(); !strings.Contains(text, `{"apiVersion":"v1","kind":"Service","metadata":{"name":"web","namespace":"shop"},"spec":{"ports":[{"port":80,"protocol":"TCP"}],"type":"LoadBalancer"}}`) {
		t.Errorf("standard input: %s", text)
	}
	stop() // what was told is known after a restart
	stop = s.run(c)
	s.quiet()
	s.told(calls, "add shop/web", 1)
	s.v1("web", `, "sessionAffinity": "ClientIP"`)
	s.told(calls, "ClientIP", 1)
	s.has("web", "198.51.100.7 2001:db8::7")
	stop()
	s.remove(specKey("web")) // also while nobody looks
	s.run(c)
	s.told(calls, "remove shop/web", 1)
	s.eventually("what the hook was told", func() string { return s.get("/registry/svcreg/hooked/shop/web") }, "")
	s.v1("web", "")
	s.has("web", "198.51.100.7 2001:db8::7")
	s.told(calls, "add shop/web", 3)
}

// A hook that prints nothing is told which address a pool gave.
func TestHookIsTold(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1"]`)
	c := s.config("one")
	var calls func() string
	c.Hook, calls = s.hook(``)
	s.run(c)
	s.put(specKey("web"), `{"kind": "Service", "apiVersion": "v1beta1", "id": "web", "namespace": "shop", "port": 80, "createExternalLoadBalancer": true}`)
	s.has("web", "203.0.113.1")
	s.told(calls, `"externalIPs":["203.0.113.1"]`, 1)
	s.quiet()
	s.told(calls, "add shop/web", 2)
	s.put(specKey("web"), strings.Replace(s.get(specKey("web")), `"createExternalLoadBalancer": true, `, "", 1))
	s.has("web", "")
	s.told(calls, "remove shop/web", 1)
	s.eventually("the claim", func() string { return s.holders("203.0.113.1") }, "")
}

// A hook that fails is called again, and takes nothing from a service.
func TestHookFails(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1"]`)
	c := s.config("one")
	switched := filepath.Join(t.TempDir(), "works")
	var calls func() string
	c.Hook, calls = s.hook(`[ -e ` + switched + ` ] && exit; echo once >&2; echo no such luck >&2; exit 3`)
	s.run(c)
	s.v1("web", "")
	s.says("web", "hook "+c.Hook+` add: exit status 3: it said "no such luck"`)
	s.has("web", "")
	s.must(os.WriteFile(switched, nil, 0o600))
	s.has("web", "203.0.113.1")
	s.says("web", "")
	s.must(os.Remove(switched))
	s.v1("web", `, "sessionAffinity": "ClientIP"`)
	s.says("web", "hook "+c.Hook+` add: exit status 3: it said "no such luck"`)
	s.has("web", "203.0.113.1")
	s.retold(calls, "ClientIP") // until it is done
}

// An address is nobody else's before the hook was told that it is free.
func TestHookRemovesFirst(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1"]`)
	c := s.config("one")
	c.Grace = -1
	switched := filepath.Join(t.TempDir(), "works")
	var calls func() string
	c.Hook, calls = s.hook(`[ $1 = add ] || [ -e ` + switched + ` ]`)
	s.run(c)
	s.v1("web", "")
	s.has("web", "203.0.113.1")
	s.v1("typed", "")
	s.put(specKey("web"), strings.Replace(s.get(specKey("web")), "LoadBalancer", "ClusterIP", 1))
	s.has("web", "")
	s.retold(calls, "remove shop/web") // until it is done
	s.v1("other", `, "loadBalancerIP": "203.0.113.1"`)
	s.says("other", "address 203.0.113.1: it is still kept for service shop/web")
	s.has("typed", "")
	s.must(os.WriteFile(switched, nil, 0o600))
	s.eventually("the claim", func() string { return fmt.Sprint(s.addrs("typed") + s.addrs("other")) }, "203.0.113.1")
}

// A hook that has not answered takes nothing from a service.
func TestHookIsSlow(t *testing.T) {
	s := newSite(t)
	s.pool("public", `"addresses": ["203.0.113.1-203.0.113.9"]`)
	c := s.config("one")
	c.Hook, _ = s.hook("sleep 0.2")
	s.put(specKey("web"), `{"kind": "Service", "apiVersion": "v1", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]},
		"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.5"}]}}}`)
	s.run(c)
	s.eventually("the claim", func() string { return s.holders("203.0.113.5") }, "web")
	history := s.client.Watch(t.Context(), specKey("web"), clientv3.WithRev(1))
	for _, e := range (<-history).Events {
		if !strings.Contains(string(e.Kv.Value), "203.0.113.5") {
			t.Errorf("meanwhile it was %s", e.Kv.Value)
		}
	}
}

// A hook that began to be told of a service is told when it goes, whatever came
// between.
func TestHookIsInterrupted(t *testing.T) {
	s := newSite(t)
	c := s.config("one")
	var calls func() string
	c.Hook, calls = s.hook(`[ $1 = remove ] || sleep 60`)
	stop := s.run(c)
	s.v1("web", "")
	s.told(calls, "add shop/web", 1)
	stop()
	s.remove(specKey("web"))
	s.run(c)
	s.told(calls, "remove shop/web", 1)
}

func TestCallEndsWithItsChildren(t *testing.T) {
	held := filepath.Join(t.TempDir(), "held")
	if err := syscall.Mkfifo(held, 0o600); err != nil {
		t.Fatal(err)
	}
	reader, err := os.OpenFile(held, os.O_RDONLY|syscall.O_NONBLOCK, 0) // which waits for no writer
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	path, _ := (&site{T: t}).hook("(echo child; sleep 60) >" + held + " & sleep 60")
	_, err = call(t.Context(), path, 3*time.Second, add, registry.Key{Namespace: "shop", Name: "web"}, []byte("{}\n"))
	if err == nil || !strings.Contains(err.Error(), "not done within 3s") {
		t.Errorf("%v", err)
	}
	if err := reader.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	// The end comes when nobody is left who could write.
	if text, err := io.ReadAll(reader); string(text) != "child\n" || err != nil {
		t.Errorf("a child goes on, or never began: %q, %v", text, err)
	}
}

func TestCall(t *testing.T) {
	key := registry.Key{Namespace: "shop", Name: "web"}
	tests := []struct{ name, script, want string }{ // what is returned, or the error
		{"addresses", "printf '203.0.113.1\\n  2001:db8::1 '", "[203.0.113.1 2001:db8::1]"},
		{"nothing", "", "[]"},
		{"text", "echo done", `hook HOOK add: it printed "done": want addresses`},
		{"loopback", "echo 127.0.0.1", `hook HOOK add: it printed "127.0.0.1": want addresses`},
		{"many", "seq -f 203.0.113.%.0f 1 17", "hook HOOK add: it printed 17 addresses: want at most 16"},
		{"as many as may be", "seq -f 203.0.113.%.0f 1 16", "[203.0.113.1 203.0.113.2 "},
		{"its directory", `[ "$(pwd)" = / ] || exit 1`, "[]"},
		{"a flood", "yes 203.0.113.1", "hook HOOK add: "},
		{"an environment of its own", `[ "$(env | sort | cut -d= -f1 | tr '\n' ' ')" = "PATH PWD SVCREG_NAME SVCREG_NAMESPACE " ] || exit 1`, "[]"},
	}
	t.Setenv("SECRET", "x")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path, _ := (&site{T: t}).hook(tt.script)
			timeout := patience
			if tt.name == "a flood" { // which doesn't end by itself
				timeout = 500 * time.Millisecond
			}
			start := time.Now()
			addrs, err := call(t.Context(), path, timeout, add, key, []byte("{}\n"))
			var texts []string
			for _, a := range addrs {
				texts = append(texts, a.String())
			}
			got := "[" + strings.Join(texts, " ") + "]"
			if err != nil {
				got = strings.ReplaceAll(err.Error(), path, "HOOK")
			}
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("%s, want %s", got, tt.want)
			}
			if took := time.Since(start); took > patience {
				t.Errorf("it took %v", took)
			}
		})
	}
}
