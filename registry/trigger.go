package registry

import "time"

// TriggerAnnotation is where an endpoints controller writes when that happened
// which made it write (RFC 3339).
const TriggerAnnotation = "endpoints.kubernetes.io/last-change-trigger-time"

// Begun returns when a change began that was received at some time: when its
// cause happened, if the object says so, else when it was received. Before is
// the snapshot without the change: what the object said already there is about
// another change. A time before since, the start of whoever asks, or after the
// receipt is none that can be measured from, and doesn't count.
func (c Change) Begun(before *Snapshot, since, received time.Time) time.Time {
	text := trigger(c.Object)
	if text == "" || text == trigger(before.Object(c.Ref)) {
		return received
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Before(since) || t.After(received) {
		return received
	}
	return t
}

func trigger(o Object) string {
	if o == nil {
		return ""
	}
	return o.Metadata().Annotations[TriggerAnnotation]
}
