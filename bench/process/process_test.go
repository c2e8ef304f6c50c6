package process

import (
	"strings"
	"testing"
	"time"
)

func TestParseCPU(t *testing.T) {
	got, err := parseCPU("4711 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0")
	if err != nil || got != 1750*time.Millisecond {
		t.Errorf("got %v, %v", got, err)
	}
	for _, bad := range []string{"", "1 (x) S 1", "1 (x) S 1 2 3 4 5 6 7 8 9 10 x 25 0"} {
		if _, err := parseCPU(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestParseRSS(t *testing.T) {
	got, err := parseRSS("Name:\tx\nVmHWM:\t 9 kB\nVmRSS:\t    1024 kB\nRssAnon:\t 1 kB\n")
	if err != nil || got != 1<<20 {
		t.Errorf("got %d, %v", got, err)
	}
	for _, bad := range []string{"", "VmRSS:\tmuch\n"} {
		if _, err := parseRSS(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

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
