package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"

	"github.com/svcreg/svcreg/proxyd/leader"
	"github.com/svcreg/svcreg/proxyd/loadbalancer"
	"github.com/svcreg/svcreg/proxyd/rules"
	"github.com/svcreg/svcreg/registry"
)

func (a *app) describeCommand() *cobra.Command {
	var namespace string
	command := &cobra.Command{
		Use:   "describe KIND NAME...",
		Short: "Say all there is to know of an object",
		Long: `Say all there is to know of an object, for people: what it is, who serves it and
who doesn't, and why, what the controllers remark on it, what it asks for and
doesn't get, and what happened to it lately. KIND is services (svc), endpoints
(ep), pods (po) or nodes (no, minions).

What a service doesn't get is decided as by a proxyd that allows all public
addresses.`,
		Example: "  svcctl describe service my-service -n my-ns\n  svcctl describe node my-node",
		RunE: func(command *cobra.Command, args []string) error {
			return a.describe(command.Context(), namespace, args)
		},
	}
	command.Flags().StringVarP(&namespace, "namespace", "n", "default", "`NAMESPACE` of the objects")
	return command
}

// describers are the kinds that describe knows.
var describers = map[registry.Kind]func(*description, registry.Ref) error{
	registry.KindService:   (*description).service,
	registry.KindEndpoints: (*description).endpoints,
	registry.KindPod:       (*description).pod,
	registry.KindNode:      (*description).node,
}

func (a *app) describe(ctx context.Context, namespace string, args []string) error {
	if len(args) < 2 {
		return usagef("want a kind and a name, such as service my-service")
	}
	q := query{namespace: namespace, format: "table"}
	if err := q.parse(args); err != nil {
		return err
	}
	write := describers[q.resource.kind]
	if write == nil {
		return usagef("describe doesn't know %s: want services, endpoints, pods or nodes", q.resource.plural)
	}
	client, err := a.open(ctx)
	if err != nil {
		return err
	}
	d, err := a.newDescription(ctx, client)
	if err == nil && q.resource.kind == registry.KindService {
		d.events, err = client.events(ctx, namespace)
	}
	if err == nil {
		err = d.all(q.refs(), write)
	}
	if err = errors.Join(err, client.Close()); err != nil {
		return err
	}
	_, err = a.stdout.Write([]byte(d.text.String()))
	return err
}

// description is what is written down of objects.
type description struct {
	snapshot *registry.Snapshot
	leads    map[string]string // to the name of a controller the node that runs it for all
	notes    map[string]loadbalancer.Note
	pools    rules.Pools
	events   []corev1.Event // of the namespace, for services
	text     strings.Builder
}

// newDescription reads all that describe may need.
func (a *app) newDescription(ctx context.Context, client *registryClient) (*description, error) {
	d := &description{leads: map[string]string{}, notes: map[string]loadbalancer.Note{}}
	var err error
	if d.snapshot, err = a.everything(ctx, client, registry.KindPod); err != nil {
		return nil, err
	}
	if d.pools, err = a.trust(ctx, client); err != nil {
		return nil, err
	}
	err = client.below(ctx, leader.Key(client.layout, ""), func(name string, value []byte) {
		d.leads[name] = strings.TrimSpace(string(value))
	})
	if err != nil {
		return nil, err
	}
	return d, client.below(ctx, loadbalancer.NoteDir(client.layout), func(name string, value []byte) {
		if note, err := loadbalancer.DecodeNote(value); err == nil {
			d.notes[name] = note
		}
	})
}

// below reads all keys that begin with dir, which are few.
func (r *registryClient) below(ctx context.Context, dir string, take func(name string, value []byte)) error {
	ctx, cancel := r.within(ctx)
	defer cancel()
	response, err := r.Get(ctx, dir, clientv3.WithPrefix())
	if err != nil {
		return fmt.Errorf("list %s: %w", dir, err)
	}
	for _, kv := range response.Kvs {
		take(strings.TrimPrefix(string(kv.Key), dir), kv.Value)
	}
	return nil
}

// all describes some objects, with an empty line between them.
func (d *description) all(refs []registry.Ref, write func(*description, registry.Ref) error) error {
	for i, ref := range refs {
		if i > 0 {
			d.text.WriteString("\n")
		}
		if err := write(d, ref); err != nil {
			return err
		}
	}
	return nil
}

// field writes a property, unless it is empty.
func (d *description) field(label, value string) {
	if value != "" {
		fmt.Fprintf(&d.text, "%-16s %s\n", label+":", printable(value))
	}
}

// fields writes the properties of a list, the label once.
func (d *description) fields(label string, values []string) {
	for i, value := range values {
		if i == 0 {
			d.field(label, value)
			continue
		}
		fmt.Fprintf(&d.text, "%-16s %s\n", "", printable(value))
	}
}

// rows writes lines of columns below a label; "none" where there are none.
func (d *description) rows(label string, rows [][]string) {
	if len(rows) == 0 {
		d.field(label, "none")
		return
	}
	fmt.Fprintf(&d.text, "%s:\n", label)
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			row[i] = printable(cell)
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	for _, row := range rows {
		for i, cell := range row {
			row[i] = cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		}
		d.text.WriteString(strings.TrimRight("  "+strings.Join(row, "  "), " ") + "\n")
	}
}

// meta writes what all objects have.
func (d *description) meta(o registry.Object) {
	m := o.Metadata()
	d.field("Name", m.Name)
	d.field("Namespace", m.Namespace)
	d.fields("Labels", assignments(m.Labels))
	d.fields("Annotations", assignments(m.Annotations))
	d.field("Stored as", storedAs(item{Object: o}))
}

// assignments lists a map as "key=value", in order.
func assignments(m map[string]string) []string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		list = append(list, k+"="+m[k])
	}
	return list
}
