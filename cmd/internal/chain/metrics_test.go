package chain

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// The plugin's metrics are named as CoreDNS's and Prometheus' rules want them:
// promlint has nothing to say, the help text begins with the type, and what the
// README calls a count is a counter.
func TestMetricNames(t *testing.T) {
	start(t, corefile(startRegistry(t).Endpoint(), ""))
	exposed := scrape(t)
	problems, err := promlint.New(strings.NewReader(exposed)).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("promlint: error %v, %v", err, problems)
	}
	types := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+) (\S+)$`).FindAllStringSubmatch(exposed, -1) {
		name, kind := m[1], m[2]
		if types[name] = kind; !strings.Contains(strings.ToLower(exposed), "# help "+name+" "+kind+" of ") {
			t.Errorf("%s: want a help text that begins with %q", name, kind+" of")
		}
	}
	if len(types) == 0 {
		t.Fatalf("there are no metrics:\n%s", exposed)
	}
	maps.DeleteFunc(types, func(_, kind string) bool { return kind != "counter" })
	counters := slices.Sorted(maps.Keys(types))
	if diff := cmp.Diff(counters, documentedCounts(t, exposed)); diff != "" {
		t.Errorf("counters (-code +README):\n%s", diff)
	}
}

// scrape returns the plugin's metrics as Prometheus reads them.
func scrape(t *testing.T) string {
	t.Helper()
	w := httptest.NewRecorder()
	promhttp.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	var own strings.Builder
	for line := range strings.Lines(w.Body.String()) {
		if regexp.MustCompile(`^(# (HELP|TYPE) )?coredns_svcreg_`).MatchString(line) {
			own.WriteString(line)
		}
	}
	return own.String()
}

// documentedCounts returns the metrics of which the README says that they
// count something, as far as they are exposed.
func documentedCounts(t *testing.T, exposed string) (names []string) {
	t.Helper()
	readme, err := os.ReadFile("../../../plugin/svcreg/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?m)^\\* `(coredns_svcreg_[a-z_]+).* - count of").FindAllStringSubmatch(string(readme), -1) {
		if strings.Contains(exposed, "# TYPE "+m[1]+" ") {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return names
}
