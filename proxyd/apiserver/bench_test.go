package apiserver_test

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/svcreg/svcreg/proxyd/apiserver"
	"github.com/svcreg/svcreg/registry"
)

// BenchmarkReads is of a registry of ten thousand services.
func BenchmarkReads(b *testing.B) {
	var changes []registry.Change
	for i := range 10000 {
		changes = append(changes, registry.Put(service(fmt.Sprintf("ns-%d", i%100), fmt.Sprintf("s%d", i), 80)))
	}
	snapshot, touched := registry.Build(1).Apply(2, changes...)
	s := apiserver.New(apiserver.Config{})
	s.Notify(snapshot, touched)
	for _, read := range []struct{ name, path string }{
		{"one", "/api/v1/namespaces/ns-1/services/s1"},
		{"a page", "/api/v1/services?limit=500"},
		{"all", "/api/v1/services"},
		{"by label", "/api/v1/services?labelSelector=a%3Db"},
	} {
		b.Run(read.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if w := ask(s, http.MethodGet, read.path, ""); w.Code != http.StatusOK {
					b.Fatal(w.Body)
				}
			}
		})
	}
}
