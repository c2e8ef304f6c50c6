package registry

import (
	"testing"
	"time"
)

func TestBegun(t *testing.T) {
	at := func(text string) time.Time {
		t.Helper()
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	since, received := at("2026-01-01T00:00:10Z"), at("2026-01-01T00:00:20.5Z")
	slice := func(trigger string) Change {
		e := &Endpoints{Meta: Meta{Kind: KindEndpointSlice, Key: Key{"ns", "a-1"}}}
		if trigger != "" {
			e.Annotations = map[string]string{TriggerAnnotation: trigger}
		}
		return Put(e)
	}
	before := Build(1, slice("2026-01-01T00:00:12Z").Object)
	for _, tt := range []struct {
		name   string
		change Change
		want   time.Time
	}{
		{"what the object says", slice("2026-01-01T00:00:19.25Z"), at("2026-01-01T00:00:19.25Z")},
		{"nothing said", slice(""), received},
		{"said before already", slice("2026-01-01T00:00:12Z"), received},
		{"before the start", slice("2026-01-01T00:00:09Z"), received},
		{"from the future", slice("2026-01-01T00:00:21Z"), received},
		{"no time", slice("yesterday"), received},
		{"deleted", Delete(Ref{KindEndpointSlice, Key{"ns", "a-1"}}), received},
		{"of a snapshot that lacks it", Put(&Endpoints{Meta: Meta{
			Kind: KindEndpoints, Key: Key{"ns", "b"}, Annotations: map[string]string{TriggerAnnotation: "2026-01-01T00:00:12Z"},
		}}), at("2026-01-01T00:00:12Z")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.change.Begun(before, since, received); !got.Equal(tt.want) {
				t.Errorf("begun at %v, want %v", got, tt.want)
			}
		})
	}
}
