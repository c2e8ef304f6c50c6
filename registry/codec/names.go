package codec

import "strings"

// isLabel reports whether s is a label of RFC 1123: at most 63 lower-case
// letters, digits and dashes, with no dash at either end.
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}

// isSubdomain reports whether s is labels with dots between them, at most 253
// bytes.
func isSubdomain(s string) bool { return len(s) <= 253 && all(s, isLabel) }

// isDNSName is isSubdomain with underscores, which DNS itself has no quarrel
// with.
func isDNSName(s string) bool { return isSubdomain(strings.ReplaceAll(s, "_", "x")) }

func all(name string, ok func(label string) bool) bool {
	for label := range strings.SplitSeq(name, ".") {
		if !ok(label) {
			return false
		}
	}
	return true
}

// isServiceName reports whether s names a port as RFC 6335 has it: at most 15
// letters, digits and single dashes, with a letter among them.
func isServiceName(s string) bool {
	return len(s) <= 15 && isLabel(s) && !strings.Contains(s, "--") && !isNumber(strings.ReplaceAll(s, "-", ""))
}
