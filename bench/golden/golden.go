// Package golden holds what tests make against files that people have read.
package golden

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write testdata anew")

// Check wants a text to be that of a file. With the flag -update it writes the
// file.
func Check(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil { //nolint:gosec // for all to read
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file) //nolint:gosec // the tests' own
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; go test with -update writes it anew):\n%s", file, diff)
	}
}

// CheckXML wants a text to be XML, and that of a file.
func CheckXML(t *testing.T, file, got string) {
	t.Helper()
	for decoder := xml.NewDecoder(strings.NewReader(got)); ; {
		_, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not XML: %v", err)
		}
	}
	Check(t, file, got)
}
