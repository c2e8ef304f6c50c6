package apiserver

import (
	"cmp"
	"encoding/json"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/svcreg/svcreg/registry"
)

// eventColumns are those of events: their names say nothing.
var eventColumns = append(columns("Last Seen", "Type", "Reason", "Object", "+Subobject", "+Source", "Message", "+First Seen", "+Count")[1:],
	metav1.TableColumnDefinition{Name: "Name", Type: "string", Format: "name", Priority: 1})

// eventFieldNames has the names of the fields of events.
func eventFieldNames(registry.Object) map[string]string { return eventFields(&corev1.Event{}) }

// eventTable returns events in the form that kubectl prints.
func eventTable(f form, meta metav1.ListMeta, events []corev1.Event) (*metav1.Table, error) {
	t := &metav1.Table{
		TypeMeta:          metav1.TypeMeta{Kind: "Table", APIVersion: "meta.k8s.io/v1"},
		ListMeta:          meta,
		ColumnDefinitions: eventColumns,
		Rows:              make([]metav1.TableRow, 0, len(events)),
	}
	for i := range events {
		row := metav1.TableRow{Cells: eventCells(&events[i])}
		content, err := eventRowObject(f, &events[i])
		if err != nil {
			return nil, err
		}
		row.Object = runtime.RawExtension{Raw: content}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}

func eventRowObject(f form, e *corev1.Event) ([]byte, error) {
	switch f.include {
	case metav1.IncludeNone:
		return nil, nil
	case metav1.IncludeObject:
		return json.Marshal(e)
	}
	return json.Marshal(metav1.PartialObjectMetadata{
		TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"}, ObjectMeta: e.ObjectMeta,
	})
}

func eventCells(e *corev1.Event) []any {
	first, last, count := e.FirstTimestamp.Time, e.LastTimestamp.Time, max(e.Count, 1)
	if first.IsZero() {
		first = e.EventTime.Time
	}
	if e.Series != nil {
		last, count = e.Series.LastObservedTime.Time, e.Series.Count
	}
	if last.IsZero() {
		last = first
	}
	source := cmp.Or(e.Source.Component, e.ReportingController)
	if host := cmp.Or(e.Source.Host, e.ReportingInstance); host != "" {
		source += ", " + host
	}
	of := &e.InvolvedObject
	return []any{
		since(last), e.Type, e.Reason, strings.ToLower(of.Kind) + "/" + of.Name, of.FieldPath, source,
		strings.TrimSpace(e.Message), since(first), int64(count), e.Name,
	}
}

// since says how long ago something was.
func since(at time.Time) string {
	if at.IsZero() {
		return unknown
	}
	return duration.HumanDuration(time.Since(at))
}
