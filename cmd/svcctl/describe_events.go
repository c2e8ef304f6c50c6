package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/svcreg/svcreg/proxyd/events"
	"github.com/svcreg/svcreg/registry"
)

// events reads what happened to the objects of a namespace.
func (r *registryClient) events(ctx context.Context, namespace string) ([]corev1.Event, error) {
	ctx, cancel := r.within(ctx)
	defer cancel()
	all, _, err := events.Reader{Client: r.Client, Layout: r.layout}.List(ctx, namespace, "")
	return all, err
}

// happened writes the events of an object, the latest at the end, as kubectl
// does. Those of another of the same name, that was there before, aren't its
// own.
func (d *description) happened(o registry.Object) {
	ref, uid := o.Ref(), o.Metadata().UID
	var own []*corev1.Event
	for i := range d.events {
		of := &d.events[i].InvolvedObject
		if of.Kind == ref.Kind.String() && of.Name == ref.Name && (uid == "" || of.UID == "" || string(of.UID) == uid) {
			own = append(own, &d.events[i])
		}
	}
	if len(own) == 0 {
		d.field("Events", "none")
		return
	}
	slices.SortStableFunc(own, func(a, b *corev1.Event) int { return lastTime(a).Compare(lastTime(b)) })
	rows := [][]string{{"Type", "Reason", "Age", "From", "Message"}, {"----", "------", "----", "----", "-------"}}
	for _, e := range own {
		rows = append(rows, []string{e.Type, e.Reason, eventAge(e), cmp.Or(e.Source.Component, e.ReportingController), strings.TrimSpace(e.Message)})
	}
	d.rows("Events", rows)
}

// firstTime and lastTime return when something happened; events of today may
// have that in other fields.
func firstTime(e *corev1.Event) time.Time {
	if e.FirstTimestamp.IsZero() {
		return e.EventTime.Time
	}
	return e.FirstTimestamp.Time
}

func lastTime(e *corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	}
	return firstTime(e)
}

// eventAge says how long ago something happened, and how often, since when.
func eventAge(e *corev1.Event) string {
	ago := func(at time.Time) string { return duration.HumanDuration(time.Since(at)) }
	count := e.Count
	if e.Series != nil {
		count = e.Series.Count
	}
	if count > 1 {
		return fmt.Sprintf("%s (x%d over %s)", ago(lastTime(e)), count, ago(firstTime(e)))
	}
	return ago(lastTime(e))
}
