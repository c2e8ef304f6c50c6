package proxyd

import (
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestTeller(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", path)
	told := newTeller(slog.New(slog.DiscardHandler))
	told.status("waiting")
	told.status("waiting")
	told.synced(1)
	told.synced(2)
	told.alive()
	told.stopping()
	var got []string
	buf := make([]byte, 256)
	_ = socket.SetReadDeadline(time.Now().Add(10 * time.Second))
	for range 5 {
		n, err := socket.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(buf[:n]))
	}
	want := []string{"STATUS=waiting", "READY=1", "STATUS=in step with the registry", "WATCHDOG=1", "STOPPING=1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestWatchdogPeriod(t *testing.T) {
	t.Setenv("WATCHDOG_USEC", "120000000")
	t.Setenv("WATCHDOG_PID", "")
	if got, err := watchdogPeriod(); err != nil || got != time.Minute {
		t.Errorf("watchdogPeriod = %v, %v; want half of two minutes", got, err)
	}
	t.Setenv("WATCHDOG_USEC", "soon")
	if got, err := watchdogPeriod(); err == nil {
		t.Errorf("watchdogPeriod = %v for a bad WATCHDOG_USEC, want an error", got)
	}
}
