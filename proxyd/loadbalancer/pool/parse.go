package pool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/svcreg/svcreg/registry/codec"
)

// The kind and version of a pool's JSON.
const (
	kind       = "AddressPool"
	apiVersion = "svcreg.io/v1"
)

// object is a pool as it is written.
type object struct {
	Kind       string   `json:"kind"`
	APIVersion string   `json:"apiVersion"`
	Metadata   metadata `json:"metadata"`
	Spec       spec     `json:"spec"`
}

type metadata struct {
	Name string `json:"name"`
}

type spec struct {
	Addresses     []string `json:"addresses"`
	Namespaces    []string `json:"namespaces,omitempty"`
	AvoidBuggyIPs bool     `json:"avoidBuggyIPs,omitempty"`
	AutoAssign    *bool    `json:"autoAssign,omitempty"`
	Priority      int      `json:"priority,omitempty"`
}

// Parse reads the pools of a file in JSON or YAML, one or several. What it
// doesn't know is a mistake. The error has a line for each thing that is wrong,
// which names the file, the pool and the field; there are no pools then.
func Parse(file string, data []byte) ([]*Pool, error) {
	texts, err := codec.Texts(file, data)
	if err != nil {
		return nil, err
	}
	var pools []*Pool
	var errs []error
	seen := map[string]bool{}
	for _, text := range texts {
		p, err := parse(text, true)
		if err == nil && seen[p.Name] {
			err = fault(p.Name, "metadata.name", p.Name, "a pool once")
		}
		if err != nil {
			errs = append(errs, inFile(file, err)...)
			continue
		}
		seen[p.Name] = true
		pools = append(pools, p)
	}
	if len(texts) == 0 {
		errs = append(errs, fmt.Errorf("%s: no pools in it", file))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return pools, nil
}

// inFile puts a file's name before each line of an error.
func inFile(file string, err error) []error {
	var errs []error
	for line := range strings.SplitSeq(err.Error(), "\n") {
		errs = append(errs, fmt.Errorf("%s: %s", file, line))
	}
	return errs
}

// Decode reads a pool as it is stored; name is that of its key. Fields that it
// doesn't know may be those of a later version.
func Decode(name string, value []byte) (*Pool, error) {
	p, err := parse(value, false)
	if err == nil && p.Name != name {
		err = fault(name, "metadata.name", p.Name, name+", as the key says")
	}
	return p, err
}

// Encode returns a pool as it is stored.
func (p *Pool) Encode() ([]byte, error) {
	o := object{Kind: kind, APIVersion: apiVersion, Metadata: metadata{p.Name}}
	o.Spec = spec{Namespaces: p.Namespaces, AvoidBuggyIPs: p.AvoidBuggyIPs, Priority: p.Priority}
	if p.Manual {
		o.Spec.AutoAssign = new(false)
	}
	for _, r := range p.Ranges {
		o.Spec.Addresses = append(o.Spec.Addresses, r.String())
	}
	return json.Marshal(o)
}

// parse reads one pool.
func parse(text []byte, strict bool) (*Pool, error) {
	var o object
	if err := json.Unmarshal(text, &o); err != nil {
		return nil, wrongType(o.Metadata.Name, err)
	}
	if strict {
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&o); err != nil {
			field, _ := strconv.Unquote(strings.TrimPrefix(err.Error(), "json: unknown field "))
			return nil, fmt.Errorf("%s %s: %s: not a field of a pool: want spec with addresses, namespaces, avoidBuggyIPs, autoAssign, priority", kind, o.Metadata.Name, field)
		}
	}
	return o.pool()
}

// wrongType says in which field the JSON is not of the type that it must be.
func wrongType(name string, err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return fmt.Errorf("%s %s: %w", kind, name, err)
	}
	want := map[string]string{"string": "a string", "bool": "true or false", "int": "a whole number", "slice": "a list", "struct": "an object"}
	return fault(name, wrong.Field, "a "+wrong.Value, want[wrong.Type.Kind().String()])
}

// fault is an error about a field.
func fault(name, field, value, want string) error {
	if value == "" {
		value = "missing"
	}
	return fmt.Errorf("%s %s: %s: %s: want %s", kind, name, field, value, want)
}

var (
	nameForm      = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
	errNoPool     = errors.New("not a pool")
	wantName      = "at most 63 lower-case letters, digits and dashes, with no dash at either end"
	wantAddresses = "a list of networks and ranges"
)

// pool returns what was read, checked.
func (o *object) pool() (*Pool, error) {
	name := o.Metadata.Name
	if o.Kind != kind || o.APIVersion != apiVersion {
		return nil, fmt.Errorf("kind %q of apiVersion %q: want %s of %s: %w", o.Kind, o.APIVersion, kind, apiVersion, errNoPool)
	}
	p := &Pool{
		Name: name, Namespaces: o.Spec.Namespaces, AvoidBuggyIPs: o.Spec.AvoidBuggyIPs,
		Manual: o.Spec.AutoAssign != nil && !*o.Spec.AutoAssign, Priority: o.Spec.Priority,
	}
	var errs []error
	if !nameForm.MatchString(name) {
		errs = append(errs, fault(name, "metadata.name", name, wantName))
	}
	if len(o.Spec.Addresses) == 0 {
		errs = append(errs, fault(name, "spec.addresses", "", wantAddresses))
	}
	for i, text := range o.Spec.Addresses {
		field := fmt.Sprintf("spec.addresses[%d]", i)
		r, err := ParseRange(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s %s: %s: %q: %w", kind, name, field, text, err))
			continue
		}
		for _, other := range p.Ranges {
			if r.overlaps(other) {
				errs = append(errs, fault(name, field, text, "addresses that aren't in "+other.String()+" already"))
			}
		}
		p.Ranges = append(p.Ranges, r)
	}
	for i, ns := range o.Spec.Namespaces {
		if !nameForm.MatchString(ns) {
			errs = append(errs, fault(name, fmt.Sprintf("spec.namespaces[%d]", i), ns, "a namespace: "+wantName))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return p, nil
}
