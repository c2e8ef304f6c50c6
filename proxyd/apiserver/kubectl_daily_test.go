package apiserver_test

import (
	"strings"
	"testing"
)

// daily is a service as people write it. Its ports are in an order of their own:
// the first is the one in the environment variables of clients.
const daily = `
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: dns, port: 53, protocol: UDP}]
`

// TestKubectlDaily has kubectl do what people do with services, one after the
// other: what it prints, and what comes of it.
func TestKubectlDaily(t *testing.T) { everyKubectl(t, testKubectlDaily) }

func testKubectlDaily(t *testing.T) {
	t.Helper()
	l := newLive(t)
	l.client.Put(t.Context(), "/registry/services/specs/odd/odd", `{"kind": "Service", "apiVersion": "v1beta1", "id": "odd", "namespace": "odd", "port": 80, "status": {"conditions": [
		{"type": "svcreg.io/EndpointsAccepted", "status": "False", "reason": "AddressRefused", "message": "no", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}}`)
	t.Setenv("KUBE_EDITOR", "sed -i s/8080/8081/")
	first, second := fileOf(t, daily), fileOf(t, strings.Replace(daily, "port: 80,", "port: 81,", 1))
	moved := fileOf(t, strings.Replace(daily, "spec:", "spec:\n  clusterIP: 10.0.0.14", 1))
	taken := fileOf(t, strings.Replace(strings.Replace(daily, "spec:", "spec:\n  clusterIP: 10.0.0.5", 1), "web", "taken", 1))
	wrong := fileOf(t, strings.Replace(strings.Replace(daily, "80,", "80000,", 1), "web", "Web_1", 1))
	bad := badFile(t)
	const ports = "get svc web -o jsonpath={.spec.ports[*].port}:{.spec.ports[0].targetPort}"
	for _, tt := range []struct {
		args string
		want []string // all of them, or any of a group that | separates
	}{
		{"apply -f " + moved + " --dry-run=server", []string{"service/web created (server dry run)"}},
		{"get svc", []string{"No resources found"}},
		{"create service clusterip web --tcp=80:8080 --clusterip=10.0.0.5", []string{"service/web created"}},
		{"apply -f " + first, []string{"service/web configured"}},
		{"apply -f " + first, []string{"service/web unchanged"}},
		{"diff -f " + first, []string{""}},
		{"diff -f " + second, []string{"-    port: 80", "+    port: 81", "(exit status 1)"}},
		{"apply -f " + second + " --dry-run=server", []string{"service/web configured (server dry run)"}},
		{ports, []string{"80 53:8080"}},
		{"apply -f " + second, []string{"service/web configured"}},
		{ports, []string{"81 53:8080"}},
		{"apply -f " + moved, []string{`Service "web" is invalid`, "spec.clusterIPs[0]: 10.0.0.14: want 10.0.0.5, which may not change once set"}},
		{"apply view-last-applied svc web", []string{"port: 81"}},
		{"edit svc web", []string{"service/web edited"}},
		{ports, []string{"81 53:8081"}},
		{"label svc web tier=front", []string{"service/web labeled"}},
		{"get svc -l tier=front -o name", []string{"service/web"}},
		{"label svc web tier-", []string{"service/web labeled|service/web unlabeled"}},
		{"get svc -l tier=front -o name", []string{""}},
		{"annotate svc web a=b", []string{"service/web annotated"}},
		{"patch svc web -p {\"spec\":{\"sessionAffinity\":\"ClientIP\"}}", []string{"service/web patched"}},
		{"set selector svc web app=other", []string{"service/web selector updated"}},
		{"get svc web -o wide --no-headers", []string{"app=other", "10.0.0.5", "81/TCP,53/UDP"}},
		{"describe svc web", []string{"app=other", "10.0.0.5", "ClientIP", "8081/TCP", "a: b"}},
		{"expose svc web --name=two --port=90", []string{"service/two exposed"}},
		{"create service nodeport np --tcp=80:80 --node-port=30080", []string{"service/np created"}},
		{"create service nodeport taken --tcp=80:80 --node-port=30080", []string{"spec.ports[0].nodePort: 30080: provided port is already allocated: service team/np holds it"}},
		{"create service nodeport far --tcp=80:80 --node-port=99", []string{"spec.ports[0].nodePort: 99: provided port is not in the valid range. The range of valid ports is 30000-32767"}},
		{"expose svc np --name=given --port=90 --type=NodePort", []string{"service/given exposed"}},
		{"get svc given --no-headers", []string{"90:3"}},
		{"patch svc given -p {\"spec\":{\"type\":\"ClusterIP\"}}", []string{"service/given patched"}},
		{"get svc given --no-headers", []string{"90/TCP"}},
		{"delete svc given", []string{`service "given" deleted`}},
		{"create service loadbalancer lb --tcp=80:80", []string{"service/lb created"}},
		{"create service externalname ext --external-name=example.org", []string{"service/ext created"}},
		{"create service clusterip none --clusterip=None", []string{"service/none created"}},
		{"get svc --no-headers -o custom-columns=A:.metadata.name,B:.spec.type,C:.spec.clusterIP", []string{
			"web    ClusterIP      10.0.0.5", "ext    ExternalName   <none>", "none   ClusterIP      None", "lb     LoadBalancer   10.0.0.", "np     NodePort       10.0.0.",
		}},
		{"get all", []string{"service/web", "service/ext"}},
		{"get svc web -o yaml", []string{"uid: ", "creationTimestamp: \"20", "clusterIP: 10.0.0.5"}},
		{"wait --for=jsonpath={.spec.clusterIP}=10.0.0.5 svc/web --timeout=5s", []string{"service/web condition met|unrecognized condition"}},
		{"wait --for=condition=Ready svc/web --timeout=1s", []string{"timed out waiting for the condition on services/web"}},
		{"wait --for=condition=svcreg.io/EndpointsAccepted=false svc/odd -n odd --timeout=5s", []string{"service/odd condition met"}},
		{"annotate svc odd -n odd a=b", []string{"service/odd annotated"}},
		{"get svc odd -n odd -o jsonpath={.status.conditions[0]}", []string{"AddressRefused", "2026-01-01T00:00:00Z"}},
		{"get --raw /api/v1beta1/services/odd?namespace=odd", []string{`"conditions":[{`}},
		{"create -f " + bad, []string{`unknown field "spec.sessionAfinity"|unknown field "sessionAfinity" in io.k8s.api.core.v1.ServiceSpec`}},
		{"create -f " + bad + " --validate=false", []string{"service/bad created"}},
		{"replace -f " + first, []string{"service/web replaced"}},
		{ports, []string{"80 53:8080"}},
		{"get svc web -o jsonpath={.spec.clusterIP}{.spec.sessionAffinity}", []string{"10.0.0.5None"}},
		{"create -f " + taken, []string{"spec.clusterIPs: portal IP 10.0.0.5 is taken: service team/web holds it"}},
		{"create -f " + wrong, []string{"spec.ports[0].port: 80000: want 1 to 65535", "metadata.name: Web_1: want "}},
		{"delete svc web --dry-run=server", []string{`service "web" deleted (server dry run)`}},
		{"delete svc web two", []string{`service "web" deleted`, `service "two" deleted`}},
		{"delete svc --all --wait=true", []string{`service "np" deleted`, `service "lb" deleted`, `service "ext" deleted`}},
		{"create -f " + first, []string{"service/web created"}},
		{"replace --force -f " + moved, []string{`service "web" deleted`, "service/web replaced"}},
		{"get svc web -o jsonpath={.spec.clusterIP}", []string{"10.0.0.14"}},
		{"get --raw /api/v1/namespaces/team/services/web", []string{`"clusterIP":"10.0.0.14"`}},
		{"delete svc web", []string{`service "web" deleted`}},
		{"delete svc web --ignore-not-found", []string{""}},
		{"get svc", []string{"No resources found"}},
	} {
		got := kubectl(t, l.server, strings.Fields("-n team "+tt.args)...)
		for _, want := range tt.want {
			if !containsAny(got, want) || want == "" && got != "" {
				t.Errorf("kubectl %s: %q is not in:\n%s", tt.args, want, got)
			}
		}
	}
}

// containsAny reports whether one of the alternatives is in a text.
func containsAny(text, alternatives string) bool {
	for want := range strings.SplitSeq(alternatives, "|") {
		if strings.Contains(text, want) {
			return true
		}
	}
	return false
}
