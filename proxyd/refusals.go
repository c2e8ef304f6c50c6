package proxyd

import (
	"log/slog"

	"github.com/svcreg/svcreg/proxyd/rules"
)

// refusalLog is the set of refusals that the log already tells of.
type refusalLog map[rules.Refusal]struct{}

// compare logs the refusals that are new among all there are, and those that
// are no more.
func (have *refusalLog) compare(logger *slog.Logger, all []rules.Refusal) {
	now := refusalLog{}
	for _, r := range all {
		now[r] = struct{}{}
	}
	var gone, come []rules.Refusal
	for _, r := range all {
		if _, known := (*have)[r]; !known {
			come = append(come, r)
		}
	}
	for r := range *have {
		if _, still := now[r]; !still {
			gone = append(gone, r)
		}
	}
	have.change(logger, gone, come)
}

// change logs refusals that are no more, and those that are new.
func (have *refusalLog) change(logger *slog.Logger, gone, come []rules.Refusal) {
	if *have == nil {
		*have = refusalLog{}
	}
	for _, r := range gone {
		delete(*have, r)
		logger.Info(what(r)+" refused no more", of(r)...)
	}
	for _, r := range come {
		(*have)[r] = struct{}{}
		logger.Warn(what(r)+" refused", append(of(r), "reason", r.Reason)...)
	}
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
