package apiserver

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/svcreg/svcreg/registry"
)

// options are what a query string asks for.
type options struct {
	filter
	watch, bookmarks, exact bool
	// initial is a watch that begins with what is there, and marks the end of
	// that (client-go's streaming lists).
	initial bool
	// revision is the least that will do; with exact, the only one. Zero is
	// any, and unset means that the query names none.
	revision int64
	unset    bool
	limit    int
	from     *position
	timeout  time.Duration
}

func parseOptions(query url.Values, t *target) (*options, error) {
	o := &options{
		watch:     isTrue(query.Get("watch")),
		bookmarks: isTrue(query.Get("allowWatchBookmarks")),
		initial:   isTrue(query.Get("sendInitialEvents")),
		exact:     query.Get("resourceVersionMatch") == string(metav1.ResourceVersionMatchExact),
		unset:     query.Get("resourceVersion") == "",
	}
	var limit, seconds int64
	for name, field := range map[string]*int64{"resourceVersion": &o.revision, "limit": &limit, "timeoutSeconds": &seconds} {
		if err := parseNumber(query, name, field); err != nil {
			return nil, err
		}
	}
	o.limit, o.timeout = int(limit), time.Duration(min(seconds, maxTimeout))*time.Second
	if isFlat(t.version) {
		o.limit = 0 // their lists have no place to say where they go on
	}
	var err error
	if o.filter, err = parseFilter(query, t); err != nil {
		return nil, err
	}
	if text := query.Get("continue"); text != "" {
		o.from, err = parsePosition(text)
	}
	return o, err
}

// maxTimeout is the longest that a watch can last, in seconds: a day.
const maxTimeout = 24 * 60 * 60

func isTrue(text string) bool { b, err := strconv.ParseBool(text); return b && err == nil }

func parseNumber(query url.Values, name string, field *int64) error {
	text := query.Get(name)
	if text == "" {
		return nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return apierrors.NewBadRequest(fmt.Sprintf("%s: Invalid value: %q: want a number from 0", name, text))
	}
	*field = n
	return nil
}

// filter says which objects of a resource are meant.
type filter struct {
	*target
	labels labels.Selector
	fields fields.Selector
}

func parseFilter(query url.Values, t *target) (filter, error) {
	f := filter{target: t}
	var err error
	if f.labels, err = labels.Parse(query.Get("labelSelector")); err != nil {
		return f, apierrors.NewBadRequest(fmt.Sprintf("unable to parse labelSelector: %v", err))
	}
	if f.fields, err = fields.ParseSelector(query.Get("fieldSelector")); err != nil {
		return f, apierrors.NewBadRequest(fmt.Sprintf("unable to parse fieldSelector: %v", err))
	}
	known := f.fieldNames()
	for _, r := range f.fields.Requirements() {
		if !slices.Contains(known, r.Field) {
			return f, apierrors.NewBadRequest("field label not supported: " + r.Field)
		}
	}
	if t.name != "" { // an object's own path is as good as its name
		f.fields = fields.AndSelectors(f.fields, fields.OneTermEqualSelector("metadata.name", t.name))
	}
	return f, nil
}

// has reports whether a key is in the namespace that was asked for.
func (f *filter) has(k registry.Key) bool { return f.namespace == "" || f.namespace == k.Namespace }

// narrow reports whether objects are chosen by more than their namespace.
func (f *filter) narrow() bool { return !f.labels.Empty() || !f.fields.Empty() }

// matches reports whether an object is one of those meant; nil isn't.
func (f *filter) matches(o registry.Object) bool {
	if o == nil || !f.has(o.Ref().Key) {
		return false
	}
	return (f.labels.Empty() || f.labels.Matches(labels.Set(labelsOf(o)))) &&
		(f.fields.Empty() || f.fields.Matches(fields.Set(f.fieldsOf(o))))
}

// snapshot returns what is to be listed: the latest, no older than asked for,
// or that of the first page.
func (s *Server) snapshot(ctx context.Context, o *options) (*registry.Snapshot, error) {
	latest, err := s.reach(ctx, o.revision)
	if err != nil {
		return nil, err
	}
	revision := latest.Revision()
	switch {
	case o.from != nil:
		revision = o.from.Revision
	case o.exact && !o.unset:
		revision = o.revision
	}
	if revision == latest.Revision() {
		return latest, nil
	}
	if old := s.history.at(revision); old != nil {
		return old, nil
	}
	if o.from != nil {
		return nil, apierrors.NewResourceExpired("The provided continue parameter is too old to display a consistent list result. Start a new list without the continue parameter.")
	}
	return nil, errTooOld(revision, latest.Revision())
}

// reach waits until a revision is known, for a while.
func (s *Server) reach(ctx context.Context, revision int64) (*registry.Snapshot, error) {
	patience := time.NewTimer(s.config.Patience)
	defer patience.Stop()
	for {
		latest, moved := s.history.current()
		if latest != nil && latest.Revision() >= revision {
			return latest, nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-patience.C:
			if latest == nil {
				return nil, apierrors.NewServiceUnavailable("the registry is not known yet: etcd has not answered since the start")
			}
			return nil, tooLarge(revision, latest.Revision())
		}
	}
}

// tooLarge is the answer to whoever has seen a revision that we haven't.
func tooLarge(wanted, latest int64) error {
	err := apierrors.NewTimeoutError(fmt.Sprintf("Too large resource version: %d, current: %d", wanted, latest), 1)
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{
		Type: metav1.CauseTypeResourceVersionTooLarge, Message: "Too large resource version",
	}}
	return err
}

// position is where a page of a list ends, as a continue token says it.
type position struct {
	Revision int64  `json:"rv"`
	After    string `json:"after"` // the key of the last object
}

func (p *position) key() registry.Key {
	ns, name, _ := strings.Cut(p.After, "/")
	return registry.Key{Namespace: ns, Name: name}
}
