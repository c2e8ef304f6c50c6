package proxyd

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
)

// teller tells systemd how proxyd fares (sd_notify(3)). Without systemd it
// says nothing.
type teller struct {
	send   func(state string)
	logger *slog.Logger

	last string // the status that was told last
	// ready says that the kernel was in step with the registry once.
	ready atomic.Bool
	// lastSync is when it was last, in Unix nanoseconds; zero for never.
	lastSync atomic.Int64
}

func newTeller(logger *slog.Logger) *teller {
	t := &teller{logger: logger}
	t.send = func(state string) {
		if _, err := daemon.SdNotify(false, state); err != nil {
			logger.Debug("systemd can't be told", "state", state, "err", err)
		}
	}
	return t
}

// watchdogPeriod returns how often systemd wants a sign of life: twice within
// its limit. Zero means never.
func watchdogPeriod() (time.Duration, error) {
	limit, err := daemon.SdWatchdogEnabled(false)
	if err != nil {
		return 0, fmt.Errorf("systemd's watchdog: %w", err)
	}
	return limit / 2, nil
}

// alive says that the sync loop turns.
func (t *teller) alive() { t.send(daemon.SdNotifyWatchdog) }

// stopping says that the end has begun.
func (t *teller) stopping() { t.send(daemon.SdNotifyStopping) }

// status says in a line what is going on.
func (t *teller) status(text string) {
	if text != t.last {
		t.last = text
		t.send("STATUS=" + text)
	}
}

// synced says that the kernel has all rules now. The first time it says that
// proxyd is ready.
func (t *teller) synced(n int) {
	t.lastSync.Store(time.Now().UnixNano())
	if !t.ready.Swap(true) {
		t.send(daemon.SdNotifyReady)
		t.logger.Info("ready: the kernel is in step with the registry", "rules", n)
	}
	t.status("in step with the registry")
}
