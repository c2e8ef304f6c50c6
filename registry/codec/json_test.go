package codec

import (
	"encoding/json"
	"reflect"
	"testing"

	fast "github.com/go-json-experiment/json/v1"

	"github.com/svcreg/svcreg/registry"
)

// ordinary are values such as nearly all are.
var ordinary = map[registry.Kind]string{
	registry.KindService: ` {"kind":"Service","apiVersion":"v1","metadata":{"name":"x","labels":{"a":"b","c":""},"annotations":{"d":"line\n\"quoted\" \u00e9"},"creationTimestamp":null,"managedFields":[{"a":{"b":[1,-2.5e+3,true,false,null]}}]},
		"spec":{"type":"NodePort","Selector":{"app":"x"},"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1","fd00::1"],"ipFamilyPolicy":"PreferDualStack","publishNotReadyAddresses":true,
			"ports":[{"name":"http","protocol":"TCP","port":80,"targetPort":8080},{"name":"ü","port":81,"targetPort":"web"}]},
		"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.1"}]}}}` + "\n",
	registry.KindEndpointSlice: `{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{"labels":{"kubernetes.io/service-name":"x"}},"addressType":"IPv4",
		"endpoints":[{"addresses":["192.0.2.1"],"conditions":{"ready":false},"hostname":"h","targetRef":{"kind":"Pod","name":"b"},"nodeName":"n","zone":"z"}],
		"ports":[{"name":"http","protocol":"SCTP","port":80}]}`,
}

// Whatever a slip makes of a value, the faster library says what encoding/json
// says, or refuses it: then it is read once more.
func TestFastJSONMeansTheSame(t *testing.T) {
	taken, refused := 0, 0
	for kind, value := range ordinary {
		for i := range len(value) {
			for _, slip := range []string{value[i : i+1], "", `"`, `\`, "{", "}", "[", "]", ",", ":", "0", "-", "E", "n", "null", " ", "\x80"} {
				text := []byte(value[:i] + slip + value[i+1:])
				got, want := newNested(kind, versionsOf(kind)[0]), newNested(kind, versionsOf(kind)[0])
				if fast.Unmarshal(text, got) != nil {
					refused++
					continue
				}
				taken++
				if err := json.Unmarshal(text, want); err != nil || !reflect.DeepEqual(got, want) {
					t.Fatalf("%s:\nfast: %+v\nencoding/json: %+v, error %v", text, got, want, err)
				}
			}
		}
	}
	if taken < 1000 || refused < 1000 {
		t.Errorf("%d taken, %d refused: want many of both", taken, refused)
	}
}
