package main

import (
	"errors"
	"os/exec"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"proxyd": main,
	})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"usage": exits(exitUsage),
		"fails": exits(exitFailed),
	}})
}

// exits returns a script command that runs proxyd and wants an exit code.
func exits(code int) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, args []string) {
		err := ts.Exec("proxyd", args...)
		if exit, ok := errors.AsType[*exec.ExitError](err); !ok || exit.ExitCode() != code {
			ts.Fatalf("proxyd %q: %v, want exit code %d", args, err, code)
		}
	}
}
