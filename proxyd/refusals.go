package proxyd

import (
	"log/slog"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// refusalLog is the set of refusals that the log already tells of.
type refusalLog map[rules.Refusal]struct{}

// compare logs the refusals that are new, and those that are no more.
func (have *refusalLog) compare(logger *slog.Logger, now []rules.Refusal) {
	next := refusalLog{}
	for _, r := range now {
		next[r] = struct{}{}
		if _, known := (*have)[r]; !known {
			logger.Warn(what(r)+" refused", append(of(r), "reason", r.Reason)...)
		}
	}
	for r := range *have {
		if _, still := next[r]; !still {
			logger.Info(what(r)+" refused no more", of(r)...)
		}
	}
	*have = next
}

// what names what a service doesn't get.
func what(r rules.Refusal) string {
	if r.Frontend == (rules.Frontend{}) {
		return "setting"
	}
	return "address"
}

// of returns what the log says of any refusal.
func of(r rules.Refusal) []any {
	fields := []any{"service", r.Service.String()}
	if r.Frontend != (rules.Frontend{}) {
		fields = append(fields, "frontend", r.Frontend.String())
	}
	return fields
}
