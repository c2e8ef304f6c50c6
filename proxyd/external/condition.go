package external

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/svcreg/svcreg/registry"
	"github.com/svcreg/svcreg/registry/codec"
	"github.com/svcreg/svcreg/registry/write"
)

// EndpointsAccepted is the condition in a Service's status that is False, and
// says why, where addresses or names of its endpoints are refused. When none is
// any more it is True, so that whoever waits for that sees it; a service of
// which nothing was ever refused doesn't have it.
const EndpointsAccepted = "svcreg.io/EndpointsAccepted"

const (
	// mostRefusals is how many of the refused the condition names.
	mostRefusals = 10
	// refusal is what the remarks begin with that say what is refused.
	refusal = "refused: "
)

// verdict returns what the condition is to say, of the remarks on what is
// refused.
func verdict(refused []string) registry.Condition {
	c := registry.Condition{
		Type: EndpointsAccepted, Status: "True", Since: time.Now().Unix(),
		Reason: "NothingRefused", Message: "no endpoint's address is refused",
	}
	if len(refused) == 0 {
		return c
	}
	texts := make([]string, len(refused))
	for i, remark := range refused {
		texts[i] = strings.TrimPrefix(remark, refusal)
	}
	c.Status, c.Reason, c.Message = "False", "AddressRefused", strings.Join(shorten(texts, mostRefusals), "; ")
	if !slices.ContainsFunc(refused, func(remark string) bool { return eventOf(remark).reason != loopEvent }) {
		c.Reason = loopEvent
	}
	return c
}

// condition returns what has to be written into the service's status; nil for
// nothing.
func (s *service) condition() *registry.Condition {
	src := s.source
	if !src.sayable || src.stands == nil && len(s.refused) == 0 {
		return nil
	}
	c := verdict(s.refused)
	if src.says(c) {
		return nil
	}
	return &c
}

// says reports whether the service's status says a condition already.
func (src *source) says(c registry.Condition) bool {
	return src.stands != nil && src.stands.HasCondition(c)
}

// ours returns our condition, without what it says; nil if there is none.
func ours(conditions []registry.Condition) []registry.Condition {
	if slices.ContainsFunc(conditions, func(c registry.Condition) bool { return c.Type == EndpointsAccepted }) {
		return []registry.Condition{{Type: EndpointsAccepted}}
	}
	return nil
}

// readStatus notes whether the service's status can be written, and what stands
// there: a value with fields that this build would lose is left alone.
func (src *source) readStatus(service *registry.Service, value []byte) {
	d, err := codec.ParseValue(service.Ref(), value)
	if err == nil {
		err = d.Lossless()
	}
	if src.sayable = err == nil; src.sayable && ours(service.Conditions) != nil {
		src.stands = d
	}
}

// say writes a condition into a service's status, and leaves everything else
// about the service as it is.
func (s *store) say(ctx context.Context, service registry.Key, c registry.Condition) error {
	ref := registry.Ref{Kind: registry.KindService, Key: service}
	_, err := s.writer.Amend(ctx, ref, func(d *codec.Document) (write.Also, error) {
		if d != nil {
			d.SetCondition(c)
		}
		return write.Also{}, nil
	})
	return err
}
