package process

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestProcess(t *testing.T) {
	p, err := Start(t.Context(), Options{Core: 1}, "shell", "sh", "-c",
		`taskset -cp $$; echo "GOMAXPROCS $GOMAXPROCS"; i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo ready; exec sleep 60`)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(p.output.String(), "ready"); {
		if time.Now().After(deadline) {
			t.Fatal("never ready")
		}
		time.Sleep(time.Millisecond)
	}
	if said := p.output.String(); !strings.Contains(said, "affinity list: 0\n") || !strings.Contains(said, "GOMAXPROCS 1") {
		t.Errorf("it runs elsewhere: %s", said)
	}
	if cpu, err := p.CPU(); err != nil || cpu <= 0 {
		t.Errorf("CPU: %v, %v", cpu, err)
	}
	if rss, err := p.RSS(); err != nil || rss < 64<<10 {
		t.Errorf("RSS: %d, %v", rss, err)
	}
	if err := p.Err(); err != nil {
		t.Errorf("while it runs: %v", err)
	}
	p.Stop()
	if err := p.Err(); err == nil || !strings.Contains(err.Error(), "ready") {
		t.Errorf("after it ended: %v", err)
	}
	if _, err := p.CPU(); err == nil {
		t.Error("what has ended used some CPU")
	}
	if _, err := p.RSS(); err == nil {
		t.Error("what has ended has memory")
	}
}

func TestTail(t *testing.T) {
	var out tail
	for range 100 {
		_, _ = out.Write([]byte(strings.Repeat("x", 1000)))
	}
	_, _ = out.Write([]byte("the end"))
	if got := out.String(); len(got) != tailSize || !strings.HasSuffix(got, "xthe end") {
		t.Errorf("%d bytes, ending in %q", len(got), got[len(got)-10:])
	}
}

func TestStartError(t *testing.T) {
	if _, err := Start(t.Context(), Options{}, "nothing", "/does/not/exist"); err == nil || !strings.Contains(err.Error(), "nothing") {
		t.Errorf("got %v", err)
	}
}

// What a process starts counts as its own, and ends with it.
func TestChildren(t *testing.T) {
	usage := func(script string) (int64, time.Duration) {
		p, err := Start(t.Context(), Options{}, "shell", "sh", "-c", script)
		if err != nil {
			t.Fatal(err)
		}
		defer p.Kill()
		for deadline := time.Now().Add(20 * time.Second); !strings.Contains(p.output.String(), "ready"); {
			if time.Now().After(deadline) {
				t.Fatal("never ready")
			}
			time.Sleep(time.Millisecond)
		}
		rss, rssErr := p.RSS()
		cpu, cpuErr := p.CPU()
		if err := errors.Join(rssErr, cpuErr); err != nil {
			t.Fatal(err)
		}
		return rss, cpu
	}
	alone, _ := usage("echo ready; exec sleep 60")
	both, cpu := usage(`sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo ready; exec sleep 60' & wait`)
	if both < alone+alone/2 || cpu < 10*time.Millisecond {
		t.Errorf("%d bytes alone, %d with a child that used %v", alone, both, cpu)
	}
}

func TestPinSelf(t *testing.T) {
	processors := func() string {
		out, err := exec.CommandContext(t.Context(), "taskset", "-acp", strconv.Itoa(os.Getpid())).Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	undo, err := PinSelf(1)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(processors()) {
		if !strings.HasSuffix(line, "affinity list: 0\n") {
			t.Errorf("pinned: %s", line)
		}
	}
	undo()
	if now := processors(); runtime.NumCPU() > 1 && strings.Contains(now, "affinity list: 0\n") {
		t.Errorf("undone: %s", now)
	}
}
