package proxyd

import (
	"errors"
	"testing"
	"time"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// reject makes the kernel refuse the rules of services in each sync.
func (w *world) reject(names ...string) {
	w.kernel.failing(func() error {
		if len(names) == 0 {
			return nil
		}
		e := &rules.RejectedError{}
		for _, name := range names {
			e.Add(key(name), errors.New("no such match"))
		}
		return e
	})
}

// Services that the kernel refuses are told of once, and counted as long as
// they are set aside.
func TestServicesSetAside(t *testing.T) {
	inWorld(t, func(w *world) {
		aside := func(what string, want float64) {
			t.Helper()
			if n := gaugeValue(t, w.metrics, "proxyd_services_set_aside"); n != want {
				t.Errorf("%s: proxyd_services_set_aside %v, want %v", what, n, want)
			}
		}
		w.began()
		w.reject("bad")
		w.write(service("bad", "10.0.0.2", "TCP"))
		w.pass(time.Second)
		aside("refused", 1)
		w.reject("worse")
		w.write(service("worse", "10.0.0.3", "TCP"))
		w.pass(time.Second)
		aside("another", 2)
		w.reject("bad", "worse")
		w.pass(5 * time.Minute)
		aside("tried again", 2)
		w.logged("set aside, all others stand\" service=ns/bad err=\"no such match\"", 1)
		w.logged("set aside, all others stand", 2)
		w.reject("worse")
		w.pass(2 * maxPause)
		aside("one repaired", 1)
		w.logged("service set aside no more\" service=ns/bad", 1)
		w.reject()
		w.pass(2 * maxPause)
		aside("all repaired", 0)
	})
}

// A service that is refused again and again doesn't put off the full sync.
func TestRefusalsPutNothingOff(t *testing.T) {
	inWorld(t, func(w *world) {
		w.began()
		w.reject("bad")
		for i := range 20 {
			w.write(service("bad", "10.0.0.2", []registry.Protocol{"TCP", "UDP"}[i%2]))
			w.pass(maxPause / 10)
		}
		full := 0
		for _, call := range w.kernel.took() {
			if call.Full {
				full++
			}
		}
		if full < 1 || full > 3 {
			t.Errorf("%d full syncs in two minutes, want about two", full)
		}
	})
}
