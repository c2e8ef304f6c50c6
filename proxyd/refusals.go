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
			logger.Warn("address refused", "service", r.Service.String(), "frontend", r.Frontend.String(), "reason", r.Reason)
		}
	}
	for r := range *have {
		if _, still := next[r]; !still {
			logger.Info("address refused no more", "service", r.Service.String(), "frontend", r.Frontend.String())
		}
	}
	*have = next
}
