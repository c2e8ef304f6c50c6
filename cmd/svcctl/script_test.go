package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/svcreg/svcreg/registry/registrytest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"svcctl": main})
}

// TestScripts runs the scenarios of testdata/script, each with an etcd of its
// own at $ETCDCTL_ENDPOINTS.
func TestScripts(t *testing.T) {
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			etcd := registrytest.StartEtcd(t)
			env.Defer(etcd.Stop)
			env.Values[clientKey{}] = etcd.Client()
			env.Setenv("ETCDCTL_ENDPOINTS", etcd.Endpoint())
			env.Setenv("EXAMPLES", examples)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"put": putCommand, "value": valueCommand, "del": delCommand, "exits": exitsCommand, "until": untilCommand,
		},
	})
}

type clientKey struct{}

// etcdOf returns the script's etcd, past svcctl.
func etcdOf(ts *testscript.TestScript) *clientv3.Client {
	return ts.Value(clientKey{}).(*clientv3.Client)
}

// putCommand stores a file: put KEY FILE.
func putCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: put KEY FILE")
	}
	_, err := etcdOf(ts).Put(context.Background(), args[0], ts.ReadFile(args[1]))
	ts.Check(err)
}

// valueCommand prints what is stored, or with ! checks that nothing is:
// value KEY.
func valueCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] value KEY")
	}
	response, err := etcdOf(ts).Get(context.Background(), args[0])
	ts.Check(err)
	if found := len(response.Kvs) > 0; found == neg {
		ts.Fatalf("%s: found is %v", args[0], found)
	}
	for _, kv := range response.Kvs {
		_, err = ts.Stdout().Write(append(kv.Value, '\n'))
		ts.Check(err)
	}
}

// delCommand deletes a key: del KEY.
func delCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: del KEY")
	}
	_, err := etcdOf(ts).Delete(context.Background(), args[0])
	ts.Check(err)
}

// exitsCommand checks a command's exit code: exits CODE COMMAND [ARG...].
func exitsCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if exit, ok := errors.AsType[*exec.ExitError](ts.Exec(args[1], args[2:]...)); ok {
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// untilCommand waits until a file that is being written has a line:
// until FILE REGEXP.
func untilCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: until FILE REGEXP")
	}
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	var text []byte
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if text, err = os.ReadFile(ts.MkAbs(args[0])); err == nil && want.Match(text) {
			return
		}
	}
	ts.Fatalf("%s has no %q: %s (%v)", args[0], args[1], text, err)
}
