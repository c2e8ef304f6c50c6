package codec

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		data string
		want map[int]string // by the number of the first line
	}{
		{"a\n---\nb\n", map[int]string{1: "a\n", 2: "\nb\n"}},
		{"---\na\n...\n---\nb", map[int]string{1: "\na\n", 4: "\nb"}},
		{"--- a\n---\tb\n---", map[int]string{1: " a\n", 2: "\tb\n"}},
		{"a\n----\n---b\n ---\n", map[int]string{1: "a\n----\n---b\n ---\n"}},
		{"# c\n%YAML 1.1\n---\n\n", map[int]string{}},
	}
	for _, tt := range tests {
		got := map[int]string{}
		for line, part := range split([]byte(tt.data)) {
			got[line] = string(part)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tt.data, diff)
		}
	}
}
