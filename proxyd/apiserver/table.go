package apiserver

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/svcreg/svcreg/registry"
)

// table returns objects in the form that kubectl prints.
func (r *resource) table(f form, meta metav1.ListMeta, objects ...registry.Object) (*metav1.Table, error) {
	t := &metav1.Table{
		TypeMeta:          metav1.TypeMeta{Kind: "Table", APIVersion: "meta.k8s.io/v1"},
		ListMeta:          meta,
		ColumnDefinitions: r.columns,
		Rows:              make([]metav1.TableRow, 0, len(objects)),
	}
	for _, o := range objects {
		row := metav1.TableRow{Cells: append([]any{o.Ref().Name}, r.cells(o)...)}
		content, err := r.rowObject(f, o)
		if err != nil {
			return nil, err
		}
		row.Object = runtime.RawExtension{Raw: content}
		t.Rows = append(t.Rows, row)
	}
	return t, nil
}

// rowObject returns what comes with a row: by default the metadata, from which
// kubectl takes the namespace and the labels.
func (r *resource) rowObject(f form, o registry.Object) ([]byte, error) {
	if f.include == metav1.IncludeNone {
		return nil, nil
	}
	typed, err := r.typed(o)
	if err != nil {
		return nil, err
	}
	if f.include == metav1.IncludeObject {
		return json.Marshal(typed)
	}
	return json.Marshal(metav1.PartialObjectMetadata{
		TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadata", APIVersion: "meta.k8s.io/v1"},
		ObjectMeta: metav1.ObjectMeta{
			Name: typed.GetName(), Namespace: typed.GetNamespace(), UID: typed.GetUID(),
			ResourceVersion: typed.GetResourceVersion(), CreationTimestamp: typed.GetCreationTimestamp(),
			Labels: typed.GetLabels(), Annotations: typed.GetAnnotations(),
		},
	})
}

// columns returns columns of text, all shown, after that of the name. A name
// that begins with "+" is shown by -o wide only.
func columns(names ...string) []metav1.TableColumnDefinition {
	list := []metav1.TableColumnDefinition{{Name: "Name", Type: "string", Format: "name"}}
	for _, name := range names {
		c := metav1.TableColumnDefinition{Name: name, Type: "string"}
		if name[0] == '+' {
			c.Name, c.Priority = name[1:], 1
		}
		list = append(list, c)
	}
	return list
}

var (
	serviceColumns = columns("Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "+Selector")
	podColumns     = columns("Ready", "Status", "Restarts", "Age", "+IP", "+Node", "+Nominated Node", "+Readiness Gates")
	nodeColumns    = columns("Status", "Roles", "Age", "Version", "+Internal-IP", "+External-IP", "+OS-Image", "+Kernel-Version", "+Container-Runtime")
)

// What stands in a cell where there is nothing, where that can't be known, and
// where an apiserver has it of slices.
const (
	none    = "<none>"
	unknown = "<unknown>"
	unset   = "<unset>"
)
