package proxyd

import (
	"log/slog"

	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

// aside are the services whose rules the kernel refuses, with why, as the log
// tells.
type aside map[registry.Key]string

// take takes in which services a sync set aside; nil for none. A full sync
// tried all of them, another one only some.
func (a *aside) take(full bool, rejected *rules.RejectedError, logger *slog.Logger) {
	next := aside{}
	if !full {
		for k, why := range *a {
			next[k] = why
		}
	}
	if rejected != nil {
		for _, k := range rejected.Keys() {
			why := rejected.Services[k].Error()
			if next[k] = why; (*a)[k] != why {
				logger.Error("the kernel refused rules of a service: it is set aside, all others stand", "service", k.String(), "err", why)
			}
		}
	}
	for k := range *a {
		if _, still := next[k]; !still {
			logger.Info("service set aside no more", "service", k.String())
		}
	}
	*a = next
}
