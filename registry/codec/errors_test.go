package codec

import (
	"errors"
	"strings"
	"testing"

	"github.com/svcreg/svcreg/registry"
)

// Each bad value gets one clear error: the object, the field as the value's
// version calls it, what was found, and what was expected.
func TestDecodeErrors(t *testing.T) {
	svc := ref(registry.KindService, "my-ns", "web")
	eps := ref(registry.KindEndpoints, "my-ns", "web")
	slice := ref(registry.KindEndpointSlice, "my-ns", "web")
	tests := []struct {
		ref         registry.Ref
		value, want string
	}{
		{svc, `{"apiVersion":"v1","metadata":{},"spec":{"ports":[{"port":70000}]}}`,
			"Service my-ns/web: spec.ports[0].port: 70000: want 1 to 65535"},
		{svc, `{"apiVersion":"v1","metadata":{},"spec":{"ports":[{"port":80},{"port":81,"nodePort":-1}]}}`,
			"Service my-ns/web: spec.ports[1].nodePort: -1: want 1 to 65535"},
		{svc, `{"apiVersion":"v1","metadata":{},"spec":{"ports":[{"port":80,"targetPort":65536}]}}`,
			"Service my-ns/web: spec.ports[0].targetPort: 65536: want 1 to 65535"},
		{svc, `{"apiVersion":"v1","metadata":{},"spec":{"ports":[{}]}}`,
			"Service my-ns/web: spec.ports[0].port: 0: want 1 to 65535"},
		{svc, `{"apiVersion":"v1","metadata":{},"spec":{"ports":[{"port":"80"}]}}`,
			"Service my-ns/web: spec.ports.port: a string: want a number in range"},
		{svc, `{"apiVersion":"v1","metadata":{},"spec":{"ports":[{"port":99999999999}]}}`,
			"Service my-ns/web: spec.ports.port: 99999999999: want a number in range"},
		{svc, `{"apiVersion":"v1","metadata":{},"spec":{"ports":{}}}`, "Service my-ns/web: spec.ports: an object: want a list"},
		{svc, `{"apiVersion":"v1","metadata":{"labels":{"a":1}}}`, "Service my-ns/web: metadata.labels: a number: want a string"},
		{svc, `{"apiVersion":"v1","metadata":{},"spec":{"clusterIP":"10.0.0.256"}}`,
			"Service my-ns/web: spec.clusterIP: 10.0.0.256: want an IP address"},
		{svc, `{"apiVersion":"v1","metadata":{},"spec":{"clusterIP":"fe80::1%eth0"}}`,
			"Service my-ns/web: spec.clusterIP: fe80::1%eth0: want an IP address"},
		{svc, `{"apiVersion":"v1","metadata":{},"spec":{"loadBalancerSourceRanges":["192.0.2.0"]}}`,
			"Service my-ns/web: spec.loadBalancerSourceRanges[0]: 192.0.2.0: want a network such as 10.0.0.0/16"},
		{svc, `{"apiVersion":"v1","metadata":{},"spec":{"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":0}}}}`,
			"Service my-ns/web: spec.sessionAffinityConfig.clientIP.timeoutSeconds: 0: want 1 to 86400"},
		{svc, `{"apiVersion":"v1beta3","metadata":{},"spec":{"portalIP":"x","publicIPs":["y"]}}`,
			"Service my-ns/web: spec.publicIPs[0]: y: want an IP address\nService my-ns/web: spec.portalIP: x: want an IP address"},
		{svc, `{"apiVersion":"v1beta1","port":70000,"portalIP":"x","containerPort":70001,"publicIPs":["y"]}`,
			"Service my-ns/web: publicIPs[0]: y: want an IP address\nService my-ns/web: portalIP: x: want an IP address\n" +
				"Service my-ns/web: port: 70000: want 1 to 65535\nService my-ns/web: containerPort: 70001: want 1 to 65535"},
		{svc, `{"apiVersion":"v1beta1","ports":[{"port":70000}]}`, "Service my-ns/web: ports[0].port: 70000: want 1 to 65535"},
		{svc, `{"kind":"Endpoints","apiVersion":"v1"}`, "Service my-ns/web: kind: Endpoints: want Service, as the key says"},
		{svc, `{"apiVersion":"v2"}`, "Service my-ns/web: apiVersion: v2: want one of v1, v1beta3, v1beta2, v1beta1 for a Service"},
		{svc, `{"apiVersion":7}`, "Service my-ns/web: apiVersion: a number: want a string"},
		{eps, `{"id":"x","endpoints":["192.0.2.1"]}`, "Endpoints my-ns/web: endpoints[0]: 192.0.2.1: want address:port, such as 192.0.2.1:80"},
		{eps, `{"id":"x","endpoints":["192.0.2.1:80",":80"]}`, "Endpoints my-ns/web: endpoints[1]: :80: want address:port, such as 192.0.2.1:80"},
		{eps, `{"id":"x","endpoints":["192.0.2.1:http"]}`, "Endpoints my-ns/web: endpoints[0]: 192.0.2.1:http: want a port of 1 to 65535 after the colon"},
		{eps, `{"id":"x","endpoints":["192.0.2.1:0"]}`, "Endpoints my-ns/web: endpoints[0]: 192.0.2.1:0: want a port of 1 to 65535 after the colon"},
		{eps, `{"id":"x","endpoints":["2001:db8::1:80"]}`, "Endpoints my-ns/web: endpoints[0]: 2001:db8::1:80: want brackets around an IPv6 address, such as [2001:db8::1]:80"},
		{eps, `{"id":"x","endpoints":["[192.0.2.1]:80"]}`, "Endpoints my-ns/web: endpoints[0]: [192.0.2.1]:80: want an IPv6 address in brackets, such as [2001:db8::1]:80"},
		{eps, `{"id":"x","endpoints":["10.0.0.l:80"]}`, "Endpoints my-ns/web: endpoints[0]: 10.0.0.l: want an IP address"},
		{eps, `{"apiVersion":"v1","metadata":{},"subsets":[{"addresses":[{"ip":"10.0.0"}],"ports":[{"port":0}]}]}`,
			"Endpoints my-ns/web: subsets[0].addresses[0].ip: 10.0.0: want an IP address\nEndpoints my-ns/web: subsets[0].ports[0].port: 0: want 1 to 65535"},
		{slice, `{"metadata":{},"addressType":"IP","endpoints":[]}`, "EndpointSlice my-ns/web: addressType: IP: want IPv4, IPv6 or FQDN"},
		{slice, `{"metadata":{},"addressType":"IPv4","endpoints":[{"addresses":["db.example.org"]}]}`,
			"EndpointSlice my-ns/web: endpoints[0].addresses[0]: db.example.org: want an IP address"},
		{slice, `{"metadata":{},"addressType":"FQDN","endpoints":[{"addresses":["192.0.2.1"]}]}`,
			"EndpointSlice my-ns/web: endpoints[0].addresses[0]: 192.0.2.1: want a DNS name"},
		{ref(registry.KindIPAddress, "", "x"), `{"metadata":{}}`, "IPAddress x: metadata.name: x: want an IP address"},
		{ref(registry.KindPod, "a", "b"), `{"id":"b","currentState":{"podIP":"x"}}`, "Pod a/b: currentState.podIP: x: want an IP address"},
		{svc, ``, "Service my-ns/web: the value is empty"},
		{svc, `[]`, "Service my-ns/web: []: want a JSON object or Kubernetes protobuf"},
		{svc, "\xd9\xd9\xf7\xa1", `Service my-ns/web: "\xd9\xd9\xf7\xa1": want a JSON object or Kubernetes protobuf`},
		{svc, `{"kind":`, "Service my-ns/web: JSON: unexpected end of JSON input"},
		{svc, `{} {}`, "Service my-ns/web: JSON: invalid character '{' after top-level value"},
		{svc, "k8s\x00\xff", "Service my-ns/web: protobuf: unexpected EOF"},
		{svc, "k8s\x00", "Service my-ns/web: kind: missing: want Service, as the key says"},
		{svc, "k8s\x00\x0a\x0d\x0a\x02v9\x12\x07Service", "Service my-ns/web: apiVersion: v9: want v1 in protobuf"},
		{svc, "k8s\x00\x0a\x0d\x0a\x02v1\x12\x07Service\x1a\x04gzip", "Service my-ns/web: protobuf: content encoding gzip is not supported"},
		{svc, "k8s\x00\x0a\x0d\x0a\x02v1\x12\x07Service\x12\x02\xff\xff", "Service my-ns/web: protobuf: unexpected EOF"},
	}
	for _, tt := range tests {
		o, err := Decode(tt.ref, []byte(tt.value))
		if err == nil || err.Error() != tt.want {
			t.Errorf("%q\n got %v\nwant %s", tt.value, err, tt.want)
		}
		if o != nil {
			t.Errorf("%q gave an object beside the error", tt.value)
		}
	}
}

func TestEncrypted(t *testing.T) {
	_, err := Decode(serviceRef, []byte("k8s:enc:aescbc:v1:key1:\x01\x02"))
	if !errors.Is(err, ErrEncrypted) || !strings.HasPrefix(err.Error(), "Service my-ns/my-service: ") {
		t.Errorf("Decode: %v", err)
	}
	if _, err := ParseValue(serviceRef, []byte("k8s:enc:x")); !errors.Is(err, ErrEncrypted) {
		t.Errorf("ParseValue: %v", err)
	}
	if _, err := ParseDocuments("f", []byte("k8s:enc:x")); !errors.Is(err, ErrEncrypted) || !strings.HasPrefix(err.Error(), "f: ") {
		t.Errorf("ParseDocuments: %v", err)
	}
}

// What an error shows of a value stays in one line of bounded length, and so
// does the number of errors.
func TestErrorsAreBounded(t *testing.T) {
	_, err := Decode(serviceRef, []byte(`{"id":"x","portalIP":"`+strings.Repeat("\\n", 9999)+`"}`))
	if err == nil || len(err.Error()) > 400 || strings.Contains(err.Error(), "\n") {
		t.Errorf("%v", err)
	}
	_, err = Decode(ref(registry.KindEndpoints, "a", "b"), []byte(`{"id":"x","endpoints":["x"`+strings.Repeat(`,"x"`, 9999)+`]}`))
	if n := strings.Count(err.Error(), "\n") + 1; n != maxErrors {
		t.Errorf("%d errors, want %d", n, maxErrors)
	}
	if _, err := Decode(serviceRef, make([]byte, MaxValueSize+1)); err == nil || !strings.Contains(err.Error(), "want at most") {
		t.Errorf("too large: %v", err)
	}
	if _, err := ParseDocuments("f", make([]byte, MaxFileSize+1)); err == nil || !strings.Contains(err.Error(), "want at most") {
		t.Errorf("too large a file: %v", err)
	}
}

func TestFieldError(t *testing.T) {
	_, err := Decode(serviceRef, []byte(`{"id":"x","port":70000}`))
	wrong, ok := errors.AsType[*FieldError](err)
	if !ok {
		t.Fatalf("%v is no FieldError", err)
	}
	want := FieldError{Ref: serviceRef, Field: "port", Value: "70000", Want: "1 to 65535"}
	if *wrong != want {
		t.Errorf("got %#v, want %#v", *wrong, want)
	}
	wrong.File = "web.yaml"
	if got, want := wrong.Error(), "web.yaml: Service my-ns/my-service: port: 70000: want 1 to 65535"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
