package codec

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/svcreg/svcreg/registry"
)

// slowly reads a value as if there were no quick way.
func slowly(r registry.Ref, value []byte) (registry.Object, error) {
	c := newConversion("", r)
	src := c.readAnyJSON(value)
	if src == nil {
		return nil, c.err()
	}
	return c.object(src), c.err()
}

// checkQuick fails if the quick way takes a value and finds something else
// than encoding/json. It reports whether it takes it.
func checkQuick(t *testing.T, r registry.Ref, value []byte) bool {
	t.Helper()
	c := newConversion("", r)
	src := c.quick(value)
	if src == nil {
		return false
	}
	o := c.object(src)
	err := c.err()
	want, wantErr := slowly(r, value)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) {
		t.Fatalf("%s:\nquickly %v\nslowly %v", value, err, wantErr)
	}
	if err == nil && !reflect.DeepEqual(o, want) {
		t.Fatalf("%s:\nquickly %+v\nslowly %+v", value, o, want)
	}
	return true
}

// ordinary are values such as nearly all are, with every field that is read
// quickly.
var ordinary = map[registry.Kind]string{
	registry.KindService: ` {"kind":"Service","apiVersion":"v1","metadata":{"name":"x","uid":"u","labels":{"a":"b","c":""},"annotations":{"d":"line\n\"quoted\" \u00e9"},"creationTimestamp":null,"managedFields":[{"a":{"b":[1,-2.5e+3,true,false,null,"\u00e9\\"]}}]},
		"spec":{"type":"NodePort","selector":{"app":"x"},"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1","fd00::1"],"ipFamilies":["IPv4","IPv6"],"ipFamilyPolicy":"PreferDualStack",
			"externalIPs":["192.0.2.1"],"externalName":"example.org","sessionAffinity":"ClientIP","internalTrafficPolicy":"Local","externalTrafficPolicy":"Local","publishNotReadyAddresses":true,"trafficDistribution":"PreferClose",
			"ports":[{"name":"http","protocol":"TCP","port":80,"targetPort":8080,"nodePort":30080,"appProtocol":"h"},{"name":"ü","port":81,"targetPort":"web"},{"port":0}]},
		"status":{"loadBalancer":{},"conditions":[]}}` + "\n",
	registry.KindEndpoints: `{"kind":"Endpoints","apiVersion":"v1","metadata":{"name":"x"},"subsets":[
		{"addresses":[{"ip":"192.0.2.1","hostname":"h","nodeName":"n","targetRef":{"kind":"Pod","namespace":"a","name":"b","uid":"u"}},{"ip":"a.example.org"},{"ip":"300.1.1.1"}],"notReadyAddresses":[{"ip":"192.0.2.2"}],"ports":[{"name":"http","protocol":"UDP","port":80,"appProtocol":"x"}]},{}]}`,
	registry.KindEndpointSlice: `{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"labels":{"kubernetes.io/service-name":"x"}},"addressType":"IPv4",
		"endpoints":[{"addresses":["192.0.2.1","192.0.2.2"],"conditions":{"ready":false,"serving":true,"terminating":true},"hostname":"h","targetRef":{"kind":"Pod","name":"b"},"nodeName":"n","zone":"z"},{"addresses":[],"conditions":{}}],
		"ports":[{"name":"http","protocol":"SCTP","port":80,"appProtocol":"x"},{"name":""}]}`,
}

func TestOrdinaryValuesAreReadQuickly(t *testing.T) {
	for kind, value := range ordinary {
		if !checkQuick(t, refOf(kind), []byte(value)) {
			t.Errorf("%v: it isn't read quickly", kind)
		}
		// As errors show only the first of each value:
		if good := strings.NewReplacer(`,{"port":0}`, "", `,{"ip":"300.1.1.1"}`, "").Replace(value); !checkQuick(t, refOf(kind), []byte(good)) {
			t.Errorf("%v without errors isn't read quickly", kind)
		} else if _, err := Decode(refOf(kind), []byte(good)); err != nil {
			t.Error(err)
		}
	}
}

func TestOddValuesAreNotReadQuickly(t *testing.T) {
	service := func(spec string) string {
		return `{"kind":"Service","apiVersion":"v1","metadata":{},"spec":` + spec + `}`
	}
	if !checkQuick(t, refOf(registry.KindService), []byte(service(`{"ports":[{"port":80}]}`))) {
		t.Fatal("this tests nothing")
	}
	for name, value := range map[string]string{
		"another case":            service(`{"Ports":[{"port":80}]}`),
		"Kelvin":                  service(`{"\u212a":1}`),
		"not ASCII":               service(`{"portſ":[]}`),
		"twice":                   service(`{"clusterIP":"10.0.0.1","clusterIP":"10.0.0.2"}`),
		"null":                    service(`{"clusterIP":null}`),
		"older field":             service(`{"portalIP":"10.0.0.1"}`),
		"wrong type":              service(`{"clusterIP":1}`),
		"fraction":                service(`{"ports":[{"port":80.5}]}`),
		"exponent":                service(`{"ports":[{"port":8e1}]}`),
		"large number":            service(`{"ports":[{"port":4294967376}]}`),
		"leading zero":            service(`{"ports":[{"port":080}]}`),
		"comma at the end":        service(`{"clusterIP":"10.0.0.1",}`),
		"no comma":                service(`{"a":1 "clusterIP":"10.0.0.1"}`),
		"bad number skipped":      service(`{"a":-}`),
		"bad word skipped":        service(`{"a":nul}`),
		"bad escape skipped":      service(`{"a":"\x"}`),
		"control skipped":         service("{\"a\":\"\n\"}"),
		"open string":             service(`{"a":"`),
		"escape at the end":       `{"kind":"Service\`,
		"too deep":                service(`{"a":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`),
		"more":                    service(`{}`) + "{}",
		"less":                    `{"kind":"Service","apiVersion":"v1"`,
		"other kind":              `{"kind":"Pod","apiVersion":"v1"}`,
		"other version":           `{"kind":"Service","apiVersion":"v1beta3"}`,
		"ingress":                 `{"kind":"Service","apiVersion":"v1","status":{"loadBalancer":{"ingress":[]}}}`,
		"being deleted":           `{"kind":"Service","apiVersion":"v1","metadata":{"deletionTimestamp":"x"}}`,
		"what is not an object":   `[]`,
		"metadata is no object":   `{"kind":"Service","apiVersion":"v1","metadata":[]}`,
		"a label that is no text": `{"kind":"Service","apiVersion":"v1","metadata":{"labels":{"a":1}}}`,
	} {
		if checkQuick(t, refOf(registry.KindService), []byte(value)) {
			t.Errorf("%s: it is read quickly", name)
		}
	}
}

// Whatever a slip makes of a value: it is not read quickly, or means the same.
func TestQuickAgreesAboutSlips(t *testing.T) {
	const quick, slow = 0, 1
	var taken [2]int
	for kind, value := range ordinary {
		for i := range len(value) {
			for _, slip := range []string{"", `"`, `\`, "{", "}", "[", "]", ",", ":", "0", "-", "E", "n", "null", " ", "\x80"} {
				way := slow
				if checkQuick(t, refOf(kind), []byte(value[:i]+slip+value[i+1:])) {
					way = quick
				}
				taken[way]++
			}
		}
	}
	if taken[quick] < 1000 || taken[slow] < 1000 {
		t.Errorf("%d read quickly, %d not: want many of both", taken[quick], taken[slow])
	}
}

// A field that the types have and the scanner doesn't know would get lost.
func TestQuickKnowsAllFields(t *testing.T) {
	for _, test := range []struct {
		typed any
		known []string
	}{
		{metaJSON{}, metadataFields},
		{serviceV1{}, serviceFields},
		{serviceV1{}.Status, statusFields},
		{corev1.LoadBalancerStatus{}, loadBalancerFields},
		{serviceV1{}.Spec, serviceSpecFields},
		{corev1.ServicePort{}, servicePortFields},
		{endpointsV1{}, endpointsFields},
		{corev1.EndpointSubset{}, subsetFields},
		{corev1.EndpointAddress{}, addressFields},
		{corev1.EndpointPort{}, endpointPortFields},
		{corev1.ObjectReference{}, referenceFields},
		{endpointSliceV1{}, sliceFields},
		{discoveryv1.Endpoint{}, sliceEndpointFields},
		{discoveryv1.EndpointConditions{}, conditionsFields},
		{discoveryv1.EndpointPort{}, endpointPortFields},
	} {
		names, known := jsonNames(reflect.TypeOf(test.typed)), slices.Clone(test.known)
		slices.Sort(names)
		slices.Sort(known)
		if !slices.Equal(names, known) {
			t.Errorf("%T: the scanner knows %v, want %v", test.typed, known, names)
		}
	}
}

func jsonNames(t reflect.Type) (names []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			names = append(names, jsonNames(f.Type)...)
		} else if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// FuzzQuick: what is read quickly means what encoding/json says.
func FuzzQuick(f *testing.F) {
	for kind, value := range ordinary {
		f.Add(uint8(kind), []byte(value))
	}
	for _, s := range seeds(f) {
		f.Add(uint8(s.ref.Kind), s.value)
	}
	f.Fuzz(func(t *testing.T, kind uint8, value []byte) {
		r := refOf(kinds[int(kind)%len(kinds)])
		if checkQuick(t, r, value) && !json.Valid(value) {
			t.Fatalf("%q is no JSON", value)
		}
	})
}
