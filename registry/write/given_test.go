package write_test

import (
	"strings"
	"testing"

	"github.com/svcreg/svcreg/registry/write"
)

// A file that is applied again takes no address away that the load balancer
// gave, and keeps none that it didn't.
func TestApplyKeepsGivenAddresses(t *testing.T) {
	const key = "/registry/services/specs/my-ns/web"
	wants := `, "portalIP": "None", "createExternalLoadBalancer": true`
	tests := []struct{ name, holder, apply, want string }{
		{"given", "web", v1beta1("web", wants), `"publicIPs":["203.0.113.1"]`},
		{"given, in the form of today", "web", `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: my-ns}
spec: {type: LoadBalancer, clusterIP: None, ports: [{port: 80}]}`, `"status":{"loadBalancer":{"ingress":[{"ip":"203.0.113.1"}]}}`},
		{"given, and others that are new", "web", v1beta1("web", wants+`, "publicIPs": ["198.51.100.2"]`), `"publicIPs":["198.51.100.2","203.0.113.1"]`},
		{"given, and not wanted any more", "web", v1beta1("web", `, "portalIP": "None"`), `"port":80,"portalIP":"None"}`},
		{"given to another", "other", v1beta1("web", wants), `"port":80,"portalIP":"None"}`},
		{"never given", "", v1beta1("web", wants), `"port":80,"portalIP":"None"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStore(t)
			s.put(key, v1beta1("web", wants+`, "publicIPs": ["203.0.113.1"]`))
			if tt.holder != "" {
				s.put("/registry/svcreg/addresses/203.0.113.1", `{"pool": "public", "holders": [{"namespace": "my-ns", "name": "`+tt.holder+`"}]}`)
			}
			_, err := s.apply(tt.apply)
			s.must(err)
			if got := strings.ReplaceAll(s.get(key), " ", ""); !strings.Contains(got, tt.want) {
				t.Errorf("stored: %s\nwant %s", got, tt.want)
			}
			if tt.name == "given" {
				s.want(write.Unchanged, tt.apply)
			}
		})
	}
}
