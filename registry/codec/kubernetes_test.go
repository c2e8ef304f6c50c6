package codec

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"sigs.k8s.io/yaml"

	"github.com/svcreg/svcreg/registry"
)

// Kubernetes ships each kind in each of its encodings, for several releases,
// with the module k8s.io/api. Every field holds a placeholder: "ipValue" and
// the like.

// kubernetesFile is one object of one release.
type kubernetesFile struct {
	ref     registry.Ref
	version string
	path    string // without the extension
}

var ignoreEncoding = cmp.Options{
	cmpopts.IgnoreFields(registry.Meta{}, "Protobuf"),
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
}

// TestKubernetesPlaceholders reads the files as they are: the encodings agree
// on what can be read and on what is wrong with the placeholders.
func TestKubernetesPlaceholders(t *testing.T) {
	for _, f := range kubernetesFiles(t) {
		t.Run(f.name(), func(t *testing.T) {
			text, yamlText, binary := f.read(t, "json"), fromYAML(t, f.read(t, "yaml")), f.read(t, "pb")
			want, wantErr := decodeLeniently(f.ref, text)
			for encoding, value := range map[string][]byte{"yaml": yamlText, "pb": binary} {
				got, err := decodeLeniently(f.ref, value)
				if diff := cmp.Diff(want, got, ignoreEncoding); diff != "" {
					t.Errorf("%s differs from json (-json +%s):\n%s", encoding, encoding, diff)
				}
				if err != wantErr {
					t.Errorf("%s: error %q, with json it is %q", encoding, err, wantErr)
				}
			}
		})
	}
}

// TestKubernetesFilled reads the files with the placeholders filled in, and
// compares with what each kind must give.
func TestKubernetesFilled(t *testing.T) {
	for _, f := range kubernetesFiles(t) {
		t.Run(f.name(), func(t *testing.T) {
			fill := fillingOf(f)
			want := filledModel(f)
			encodings := map[string][]byte{
				"json": fill.text(f.read(t, "json")),
				"yaml": fromYAML(t, fill.text(f.read(t, "yaml"))),
				"pb":   fill.protobuf(t, f),
			}
			for encoding, value := range encodings {
				got, err := Decode(f.ref, value)
				if err != nil {
					t.Fatalf("%s: %v", encoding, err)
				}
				if got.Metadata().Protobuf != (encoding == "pb") {
					t.Errorf("%s: Protobuf is %t", encoding, got.Metadata().Protobuf)
				}
				if diff := cmp.Diff(want, got, ignoreEncoding); diff != "" {
					t.Errorf("%s (-want +got):\n%s", encoding, diff)
				}
			}
		})
	}
}

// TestKubernetesDocuments makes documents of the files and stores them again:
// protobuf of any release as it was, and without loss where it was changed.
func TestKubernetesDocuments(t *testing.T) {
	for _, f := range kubernetesFiles(t) {
		t.Run(f.name(), func(t *testing.T) {
			binary := f.read(t, "pb")
			d, err := ParseValue(f.ref, binary)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := d.Value(); err != nil || !bytes.Equal(got, binary) {
				t.Errorf("the value changed by itself (error %v)", err)
			}
			d.changed = true
			again, err := d.Value()
			if f.losesFields(t) {
				if _, ok := errors.AsType[*LossError](err); !ok {
					t.Errorf("error %v: want a LossError", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want, _ := decodeLeniently(f.ref, binary)
			got, _ := decodeLeniently(f.ref, again)
			if diff := cmp.Diff(want, got, ignoreEncoding); diff != "" {
				t.Errorf("written anew (-want +got):\n%s", diff)
			}
			if n := lost(binary[4:], again[4:]); n != 0 {
				t.Errorf("written anew, field %d is lost", n)
			}
		})
	}
}

// decodeLeniently returns the model as far as it goes, and the errors.
func decodeLeniently(r registry.Ref, value []byte) (registry.Object, string) {
	c := newConversion("", r)
	o := c.decode(value)
	if err := c.err(); err != nil {
		return o, err.Error()
	}
	return o, ""
}

// kubernetesFiles returns the files of the kinds that svcreg knows.
func kubernetesFiles(t *testing.T) []kubernetesFile {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/api").Output()
	if err != nil {
		t.Fatalf("where is k8s.io/api? %v", err)
	}
	dir := filepath.Join(strings.TrimSpace(string(out)), "testdata")
	var files []kubernetesFile
	for _, kind := range kinds {
		for _, version := range versionsOf(kind) {
			prefix := strings.ReplaceAll(version, "/", ".")
			if version == v1 {
				prefix = "core.v1"
			}
			paths, err := filepath.Glob(filepath.Join(dir, "*", prefix+"."+kind.String()+".json"))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range paths {
				files = append(files, kubernetesFile{refOf(kind), version, strings.TrimSuffix(path, ".json")})
			}
		}
	}
	if len(files) < 5*len(kinds) {
		t.Fatalf("only %d files below %s", len(files), dir)
	}
	return files
}

func refOf(k registry.Kind) registry.Ref {
	r := registry.Ref{Kind: k, Key: registry.Key{Name: "my-name"}}
	if Namespaced(k) {
		r.Namespace = "my-ns"
	}
	if k == registry.KindIPAddress {
		r.Name = "10.0.0.1"
	}
	return r
}

// name is the release and the file, such as "v1.33.0/core.v1.Service".
func (f kubernetesFile) name() string {
	return filepath.Base(filepath.Dir(f.path)) + "/" + filepath.Base(f.path)
}

// losesFields reports whether the release had fields that today's k8s.io/api
// dropped: Kubernetes then ships what is left of the file after a round trip.
func (f kubernetesFile) losesFields(t *testing.T) bool {
	t.Helper()
	_, err := os.Stat(f.path + ".after_roundtrip.pb")
	return err == nil
}

func (f kubernetesFile) read(t *testing.T, extension string) []byte {
	t.Helper()
	data, err := os.ReadFile(f.path + "." + extension)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func fromYAML(t *testing.T, data []byte) []byte {
	t.Helper()
	text, err := yaml.YAMLToJSON(data)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// filling says what stands for each placeholder.
type filling map[string]string

func fillingOf(f kubernetesFile) filling {
	fill := filling{
		"clusterIPValue": "10.0.0.1", "clusterIPsValue": "fd00::1", "externalIPsValue": "198.51.100.1",
		"loadBalancerSourceRangesValue": "203.0.113.0/24", "sessionAffinityValue": "ClientIP",
		"externalTrafficPolicyValue": "Local", "internalTrafficPolicyValue": "Local", "protocolValue": "UDP",
		"ipValue": "192.0.2.7", "ipModeValue": "VIP", "addressTypeValue": "IPv4", "addressesValue": "192.0.2.9",
		"podIPValue": "192.0.2.8", "hostIPValue": "192.0.2.1", "phaseValue": "Failed", "statusValue": "True",
		"cidrsValue": "10.96.0.0/12", "resourceValue": "services", "groupValue": "",
		"topologyKey": "topology.kubernetes.io/zone", "topologyValue": "zoneValue",
	}
	switch f.ref.Kind {
	case registry.KindService:
		fill["typeValue"] = "LoadBalancer"
	case registry.KindPod:
		fill["typeValue"] = "Ready"
	case registry.KindNode:
		fill["typeValue"], fill["addressValue"] = "InternalIP", "192.0.2.1"
		fill["labelsKey"] = "topology.kubernetes.io/zone"
	case registry.KindEndpointSlice:
		fill["labelsKey"] = "kubernetes.io/service-name"
	}
	return fill
}

var word = regexp.MustCompile(`\b\w+(Value|Key)\b`)

func (fill filling) of(placeholder string) string {
	if v, ok := fill[placeholder]; ok {
		return v
	}
	return placeholder
}

func (fill filling) text(data []byte) []byte {
	inQuotes := bytes.Contains(data, []byte(`"kind"`))
	return word.ReplaceAllFunc(data, func(w []byte) []byte {
		v := fill.of(string(w))
		if inQuotes || v == string(w) {
			return []byte(v)
		}
		return strconv.AppendQuote(nil, v)
	})
}

// protobuf fills in the placeholders of a file's own bytes.
func (fill filling) protobuf(t *testing.T, f kubernetesFile) []byte {
	t.Helper()
	c := newConversion("", f.ref)
	m := c.readMessage(c.readEnvelope(f.read(t, "pb")))
	if err := c.err(); err != nil {
		t.Fatal(err)
	}
	fill.walk(reflect.ValueOf(m).Elem())
	value, err := marshalProtobuf(f.ref.Kind, f.version, m)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func (fill filling) walk(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(fill.of(v.String()))
	case reflect.Pointer:
		if !v.IsNil() {
			fill.walk(v.Elem())
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill.walk(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill.walk(v.Field(i))
			}
		}
	case reflect.Map:
		if m, ok := v.Interface().(map[string]string); ok {
			for key, value := range m {
				delete(m, key)
				m[fill.of(key)] = fill.of(value)
			}
		}
	}
}
