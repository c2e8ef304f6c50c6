package codec

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// instant is a time in Unix seconds. What is no time counts as none: nothing
// depends on it.
type instant int64

// UnmarshalJSON takes anything.
func (i *instant) UnmarshalJSON(value []byte) error {
	var t metav1.Time
	if err := json.Unmarshal(value, &t); err == nil && !t.IsZero() {
		*i = instant(t.Unix())
	}
	return nil
}

// created returns when an object was created, in Unix seconds, or zero.
func created(o metav1.Object) int64 {
	if t := o.GetCreationTimestamp(); !t.IsZero() {
		return t.Unix()
	}
	return 0
}

// timestamp writes Unix seconds as all versions do.
func timestamp(seconds int64) string {
	return metav1.Unix(seconds, 0).UTC().Format("2006-01-02T15:04:05Z")
}

// Identify writes what tells an object from others that had or will have its
// name: a UID, and when it was created, in Unix seconds. What the document has
// of that stays, and so does protobuf as a whole: an apiserver wrote it, which
// gave it both.
func (d *Document) Identify(uid string, created int64) {
	meta := d.metadata()
	if d.Protobuf() {
		return
	}
	for name, text := range map[string]string{"uid": uid, "creationTimestamp": timestamp(created)} {
		if meta.text(name) == "" {
			meta.set(name, text)
			d.changed = true
		}
	}
}

// keepIdentity gives the document the identity of the stored one, whatever it
// says itself: an object keeps it as long as it is there.
func (d *Document) keepIdentity(stored *Document) {
	from := stored.metadata()
	for _, name := range []string{"uid", "creationTimestamp"} {
		if text := from.text(name); text != "" {
			d.metadata().set(name, text)
		}
	}
}
