package svcreg

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/svcreg/svcreg/registry"
	"k8s.io/apimachinery/pkg/labels"
)

// filter chooses which services of a registry a stanza exposes. The others do
// not exist as far as DNS is concerned. The zero filter exposes all.
type filter struct {
	namespaces      []string        // by name; empty for all
	namespaceLabels labels.Selector // by the Namespace object's labels; nil for all
	labels          labels.Selector // by the service's own labels; nil for all
}

// service reports whether a service may be exposed, if its namespace is.
func (f *filter) service(s *registry.Service) bool {
	return f.labels == nil || f.labels.Matches(labels.Set(s.Labels))
}

// namespace reports whether a namespace is exposed, if it exists. One without
// an object has no labels.
func (f *filter) namespace(s *registry.Snapshot, name string) bool {
	if len(f.namespaces) > 0 && !slices.Contains(f.namespaces, name) {
		return false
	}
	if f.namespaceLabels == nil {
		return true
	}
	var set labels.Set
	if n := s.Namespace(name); n != nil {
		set = n.Labels
	}
	return f.namespaceLabels.Matches(set)
}

// members are the services of each namespace that are exposed if the namespace
// is. An index has them only where labels say what is exposed.
type members = registry.Map[string, registry.Map[string, struct{}]]

// exposed returns a service, which may be nil, with those of its endpoints that
// DNS needs, or nil if it is not exposed. It is for an index in the making.
func (x *index) exposed(k registry.Key, s *registry.Service) *registry.Entry {
	belongs := s != nil && x.filter.service(s)
	x.enrol(k, belongs)
	if !belongs || !x.filter.namespace(x.snapshot, k.Namespace) {
		return nil
	}
	return x.rules.of(x.snapshot, s)
}

// enrol notes that a service belongs to the members, or does not.
func (x *index) enrol(k registry.Key, belongs bool) {
	if x.filter.labels == nil && x.filter.namespaceLabels == nil {
		return
	}
	names, _ := x.members.Get(k.Namespace)
	if _, belonged := names.Get(k.Name); belonged == belongs {
		return
	}
	if belongs {
		names = names.With(k.Name, struct{}{})
	} else {
		names = names.Without(k.Name)
	}
	if names.Len() == 0 {
		x.members = x.members.Without(k.Namespace)
	} else {
		x.members = x.members.With(k.Namespace, names)
	}
}

// turned yields the services of those namespaces that were exposed in another
// snapshot and are not now, or the other way round.
func (x *index) turned(before *registry.Snapshot, namespaces []registry.Key) iter.Seq[registry.Key] {
	return func(yield func(registry.Key) bool) {
		for _, n := range namespaces {
			if x.filter.namespace(before, n.Name) == x.filter.namespace(x.snapshot, n.Name) {
				continue
			}
			names, _ := x.members.Get(n.Name)
			for name := range names.All() {
				if !yield(registry.Key{Namespace: n.Name, Name: name}) {
					return
				}
			}
		}
	}
}

// hasNamespace reports whether a namespace exists for DNS: it is exposed, and
// has an object of its own or at least one service that is exposed.
func (x *index) hasNamespace(name string) bool {
	if !x.filter.namespace(x.snapshot, name) {
		return false
	}
	if x.filter.labels == nil {
		return x.snapshot.HasNamespace(name)
	}
	_, ok := x.members.Get(name)
	return ok || x.snapshot.Namespace(name) != nil
}

func (o *options) setNamespaces(args []string) error {
	if len(args) == 0 {
		return errors.New("want at least one NAMESPACE")
	}
	for _, name := range args {
		if !isLabel(name) {
			return fmt.Errorf("%q: want a NAMESPACE: a DNS label in lower case", name)
		}
	}
	o.filter.namespaces = args
	return nil
}

func (o *options) setNamespaceLabels(args []string) (err error) {
	o.filter.namespaceLabels, err = parseSelector(args)
	return err
}

func (o *options) setLabels(args []string) (err error) {
	o.filter.labels, err = parseSelector(args)
	return err
}

// parseSelector reads a Kubernetes label selector, which a Corefile may have
// cut at its spaces.
func parseSelector(args []string) (labels.Selector, error) {
	text := strings.TrimSpace(strings.Join(args, " "))
	if text == "" {
		return nil, errors.New("want an EXPRESSION such as environment in (staging, qa),tier!=internal")
	}
	selector, err := labels.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%q: want a label selector: %w", text, err)
	}
	return selector, nil
}

// validate reports the first two settings that can't stand together.
func (f *filter) validate() error {
	if len(f.namespaces) > 0 && f.namespaceLabels != nil {
		return errors.New("namespaces and namespace_labels: want one of them")
	}
	return nil
}
