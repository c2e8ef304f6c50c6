package apiserver

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/http"
	"net/url"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/svcreg/svcreg/bench/kube"
)

// watch sends events until the client goes, or has its time. With
// sendInitialEvents, as reflectors ask since client-go 0.35, what exists comes
// first and a bookmark ends it.
func (s *Server) watch(w http.ResponseWriter, q *http.Request, r *resource) {
	ctx := q.Context()
	query := q.URL.Query()
	if seconds, err := strconv.Atoi(query.Get("timeoutSeconds")); err == nil && seconds > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
		defer cancel()
	}
	frames, next, err := s.begin(r, query)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", contentType+";stream=watch")
	out := http.NewResponseController(w)
	for {
		if _, err := w.Write(bytes.Join(frames, nil)); err != nil { //nolint:gosec // protobuf of our own objects, for no browser
			return
		}
		if err := out.Flush(); err != nil {
			return
		}
		if frames, next, err = s.wait(ctx, r, next); err != nil {
			return
		}
	}
}

// begin returns what a watch sends first, and the position in the events after
// it.
func (s *Server) begin(r *resource, query url.Values) (frames [][]byte, next int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	version := query.Get("resourceVersion")
	initial := query.Get("sendInitialEvents") == "true"
	if !initial && version != "" && version != "0" {
		revision, err := strconv.ParseUint(version, 10, 64)
		return nil, r.after(revision), err
	}
	frames = r.initial()
	if initial {
		end, err := r.bookmark(s.revision)
		if err != nil {
			return nil, 0, err
		}
		frames = append(frames, end)
	}
	return frames, len(r.events), nil
}

// wait returns the events from a position on, as soon as there is one.
func (s *Server) wait(ctx context.Context, r *resource, from int) (frames [][]byte, next int, err error) {
	for {
		s.mu.Lock()
		events, changed := r.events[from:], r.changed
		s.mu.Unlock()
		if len(events) > 0 {
			for _, e := range events {
				frames = append(frames, e.frame)
			}
			return frames, from + len(events), nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, from, ctx.Err()
		}
	}
}

// frame returns an event as it stands in a stream: its length in four bytes,
// then the event, in which the object is wrapped.
func (r *resource) frame(t watch.EventType, kind string, raw []byte) ([]byte, error) {
	wrapped, err := kube.Wrap(r.version, kind, raw)
	if err != nil {
		return nil, err
	}
	e := metav1.WatchEvent{Type: string(t), Object: runtime.RawExtension{Raw: wrapped}}
	body, err := e.Marshal()
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...), nil
}

// bookmark returns the event that ends the initial ones.
func (r *resource) bookmark(revision uint64) ([]byte, error) {
	meta := metav1.ObjectMeta{
		ResourceVersion: strconv.FormatUint(revision, 10),
		Annotations:     map[string]string{metav1.InitialEventsAnnotationKey: "true"},
	}
	var o kube.Object
	switch r.kind {
	case "Namespace":
		o = &corev1.Namespace{ObjectMeta: meta}
	case "Service":
		o = &corev1.Service{ObjectMeta: meta}
	case "Pod":
		o = &corev1.Pod{ObjectMeta: meta}
	default:
		o = &discoveryv1.EndpointSlice{ObjectMeta: meta}
	}
	raw, err := o.Marshal()
	if err != nil {
		return nil, err
	}
	return r.frame(watch.Bookmark, r.kind, raw)
}
