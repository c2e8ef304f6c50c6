package apiserver

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestElementOrder(t *testing.T) {
	list := func(keys string) []any {
		var l []any
		for _, k := range keys {
			l = append(l, map[string]any{"port": string(k)})
		}
		return l
	}
	for _, tt := range []struct{ name, list, old, order, want string }{
		{"as wanted", "abc", "abc", "cba", "cba"},
		{"a new one first", "bca", "bc", "abc", "abc"},
		{"others stay among those spoken of", "axbyc", "axbyc", "abc", "axbyc"},
		{"others stay before what came after them", "axb", "axb", "ba", "xba"},
		{"others stay at the end", "abx", "abx", "ba", "bax"},
		{"others stay at the beginning", "xab", "xab", "ba", "xba"},
		{"twice the same key", "abba", "abba", "ba", "bbaa"},
		{"nothing", "", "", "ab", ""},
	} {
		got := ""
		for _, e := range inOrder(list(tt.list), list(tt.old), list(tt.order), "port") {
			got += e.(map[string]any)["port"].(string)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}
